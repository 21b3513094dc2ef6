import Glibc

StandardStreams.hold()
exit(Tool.run(CommandLine.arguments))
