import Glibc

Tool.holdStandardStreams()
exit(Tool.run(CommandLine.arguments))
