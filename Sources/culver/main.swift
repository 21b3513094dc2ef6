import Glibc
import System

Tool.holdStandardStreams()
exit(Tool.run(ProgramArguments.bytes))
