"""Swift for 32-bit ARM: Debian has no package of it, but its source package of the compiler has all that a program of
ours needs, and the compiler of the same version for this machine builds that.

Made once, in half an hour on two cores: the standard library, concurrency, Dispatch and the modules Glibc and
Synchronization, as static libraries. Neither Foundation nor regular expressions nor stack traces.
"""

import hashlib
import inspect
import pathlib
import re
import shutil
import subprocess
import sys

from debian import Apt, check, make_runnable, merge, relink, run, say, unpack

HERE = pathlib.Path(__file__).resolve().parent
TRIPLE = "armv7-unknown-linux-gnueabihf"
# What Debian's libraries for this processor are made with; toolchain.cmake says the same to CMake.
BOARD = ["-mfpu=vfpv3-d16", "-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64"]

# The compiler and its source, which must be of one version. Where Debian's unstable release has a later one by now, the
# files of this one go into the directories that an error names.
VERSION = "6.2.3-1"
BUILD = VERSION + "+b1"
RELEASE = "sid"
HASHES = {
    "swiftlang": "7a02c790f6d74b0ea59ed315bed674165d9ca5703bb8c85f4aff38611d1b32fd",
    "libswiftlang": "ed4b21c3788df21a3b2239546a9f6359c324cee581c6b51927e6ef1b62f5aaac",
    "source": "aecd40a4ffcc7484ba74d0736d4d520b5b45e405bbe0ec5bad68591f1ec4adab",
}
SWIFT_TOOLS = ["swift-frontend", "swift-driver", "swift-plugin-server", "clang-17", "lld", "llvm-ar"]
LINKS = {
    "swift": "swift-driver", "swiftc": "swift-driver", "swift-autolink-extract": "swift-frontend",
    "clang": "clang-17", "clang++": "clang-17", "ld.lld": "lld", "llvm-ranlib": "llvm-ar",
}
# What the compiler's programs are linked with, and what builds.
HELP = [
    "cmake", "ninja-build", "patchelf", "libc6", "libcurl4t64", "libedit2", "libgcc-s1", "libncurses6", "libpython3.14",
    "libsqlite3-0", "libstdc++6", "libtinfo6", "libuuid1", "libxml2-16", "libzstd1", "zlib1g",
]
SOURCES = ["swift", "swift-corelibs-libdispatch", "swift-experimental-string-processing"]
UNUSED = ["swift/test", "swift/validation-test", "swift/unittests", "swift/benchmark", "swift/docs", "swift/lib/SIL*"]

# In the words of its CMake files: off is what asks for more than there is here, or costs a program more than it gives.
OPTIONS = {
    "SwiftCore_ENABLE_CONCURRENCY": "YES", "SwiftCore_CONCURRENCY_GLOBAL_EXECUTOR": "dispatch",
    "SwiftCore_ENABLE_REFLECTION": "YES", "SwiftCore_ENABLE_VECTOR_TYPES": "YES",
    "SwiftCore_ENABLE_COMMANDLINE_SUPPORT": "YES", "SwiftCore_ENABLE_STDIN": "YES",
    "SwiftCore_ENABLE_ENVIRONMENT": "YES", "SwiftCore_ENABLE_PRESPECIALIZATION": "YES",
    "SwiftCore_ENABLE_BACKTRACING": "NO", "SwiftCore_ENABLE_FATALERROR_BACKTRACE": "NO",
    "SwiftCore_ENABLE_OVERRIDABLE_RETAIN_RELEASE": "NO", "SwiftCore_HAS_DLADDR": "1", "SwiftCore_OBJECT_FORMAT": "elf",
    # Not LINUX: with 32 bits that holds one lock for all globals while one of them is made, and those inside of it wait.
    "SwiftCore_THREADING_PACKAGE": "PTHREADS",
}


class Build:
    """Below one directory: the compiler in `tools`, the board's files in `sysroot`, and what is between in `work`.
    `packages`: what programs are linked with."""

    def __init__(self, place: pathlib.Path, sysroot: pathlib.Path, packages: list[str]):
        self.tools, self.work, self.sysroot, self.packages = place / "tools", place / "work", sysroot, packages
        self.digest = ""
        self.programs = self.tools / "usr/libexec/swift/bin"
        self.source = self.work / "source"
        self.static = sysroot / "usr/lib/swift_static"

    def step(self, words: str, body, *inputs: object) -> None:
        """A step that has ended is not taken again, as long as neither it, what goes into it nor a step before it is another
        one: an interrupted build goes on."""
        text = "\n".join([self.digest, inspect.getsource(body), *(repr(each) for each in inputs)])
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        stamp = self.work / f"{body.__name__}.done"
        if stamp.exists() and stamp.read_text() == self.digest:
            return
        say(words)
        stamp.unlink(missing_ok=True)
        body()
        stamp.write_text(self.digest)

    def make(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        settings = (HERE / "toolchain.cmake").read_text()
        files = [(HERE / name).read_text() for name in ["FoundationEssentials.swift", "half.c"]]
        self.step(f"the compiler: Debian's swiftlang {BUILD}", self.make_tools, HASHES, SWIFT_TOOLS, LINKS, HELP)
        self.step("the board: Debian trixie, armhf", self.make_sysroot, self.packages)
        self.step(f"the source of Swift {VERSION}", self.make_source, SOURCES, UNUSED)
        self.step("libdispatch", self.build_dispatch, settings)
        self.step("the runtime: half an hour, once", self.build_core, OPTIONS)
        self.step("Glibc and Synchronization", self.build_overlays, BOARD, inspect.getsource(self.swiftc))
        self.step("Dispatch", self.build_swift_dispatch)
        self.step("what a program is linked with", self.build_rest, files)
        shutil.rmtree(self.work / "core", ignore_errors=True)

    def options(self) -> list[str]:
        """For each Swift file of ours."""
        return [
            *(word for flag in BOARD for word in ["-Xcc", flag]),
            "-Xfrontend", "-disable-implicit-string-processing-module-import", "-Xclang-linker", f"--sysroot={self.sysroot}",
        ]

    # Ingredients

    def make_tools(self) -> None:
        shutil.rmtree(self.tools, ignore_errors=True)
        apt = Apt(RELEASE, "amd64")
        patterns = [f"usr/libexec/swift/bin/{name}" for name in SWIFT_TOOLS]
        patterns += ["usr/libexec/swift/lib/clang/*", "usr/libexec/swift/lib/swift/*", "usr/libexec/swift/lib/*.so*"]
        names = ["swiftlang", "libswiftlang"]
        for name, deb in zip(names, apt.download(*(f"{name}={BUILD}" for name in names))):
            unpack(check(deb, HASHES[name]), self.tools, *patterns)
        for deb in apt.closure(*HELP):
            unpack(deb, self.tools / "run")
        for name, target in LINKS.items():
            (self.programs / name).symlink_to(target)
        others = [self.tools / "run/usr/bin" / name for name in ["cmake", "ninja"]]
        make_runnable(self.tools, [*(self.programs / name for name in SWIFT_TOOLS), *others])

    def make_sysroot(self) -> None:
        shutil.rmtree(self.sysroot, ignore_errors=True)
        for deb in Apt("trixie", "armhf").closure("libc6-dev", "libgcc-14-dev", "libstdc++-14-dev", *self.packages):
            unpack(deb, self.sysroot)
        merge(self.sysroot)
        relink(self.sysroot)
        clang = self.tools / "usr/libexec/swift/lib/clang"
        shutil.copytree(clang, self.sysroot / "usr/lib/clang", symlinks=True)
        for name in ["swift", "swift_static"]:
            (self.sysroot / "usr/lib" / name).mkdir()
            (self.sysroot / "usr/lib" / name / "clang").symlink_to("../clang/17")

    def make_source(self) -> None:
        package = Apt(RELEASE, "amd64").source("swiftlang", VERSION)
        archive = check(package / f"swiftlang_{VERSION.split('-')[0]}.orig.tar.xz", HASHES["source"])
        shutil.rmtree(self.source, ignore_errors=True)
        self.source.mkdir(parents=True)
        top = f"swiftlang-{VERSION.split('-')[0]}"
        run(
            "tar", "-x", "-C", self.source, "--strip-components=1", "-f", archive,
            *(f"--exclude={top}/{name}" for name in UNUSED), *(f"{top}/{name}" for name in SOURCES))
        # Times have 64 bits here, `Int` has 32.
        platform = "swift/stdlib/public/Platform/Platform.swift"
        self.edit(platform, r"tv_sec: Int\((comps\.seconds\),\n +tv_nsec: Int\()", r"tv_sec: time_t(\1", 1)
        self.edit(platform, r"tv_sec: Int\((comps\.seconds\),\n +tv_usec: )Int\(", r"tv_sec: time_t(\1time_t(", 1)
        # Later compilers warn of more.
        warnings = "swift-corelibs-libdispatch/cmake/modules/DispatchCompilerWarnings.cmake"
        self.edit(warnings, r"(add_compile_options\(\S*:)-Werror>", r"\1-Wno-error>", 1)
        self.cmake("-P", self.source / "swift/Runtimes/Resync.cmake")

    def edit(self, name: str, pattern: str, replacement: str, count: int) -> None:
        """Changes so many places of a source; one that is not as it was known is an error."""
        path = self.source / name
        text, found = re.subn(pattern, replacement, path.read_text())
        if found != count:
            raise SystemExit(f"cross: {found} places of {name} look like {pattern!r}, not {count}")
        path.write_text(text)

    # Building

    def cmake(self, *arguments: object) -> None:
        """Its output goes into a file; how far it is, to people."""
        log = self.work / "log"
        command = [str(word) for word in [self.tools / "run/usr/bin/cmake", *arguments]]
        with open(log, "a") as file, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            tenth = 0
            for line in process.stdout:
                file.write(line)
                file.flush()
                found = re.match(r"\[(\d+)/(\d+)\]", line)
                if found and int(found[1]) * 10 // int(found[2]) > tenth and int(found[2]) > 50:
                    tenth = int(found[1]) * 10 // int(found[2])
                    say(f"    {found[1]} of {found[2]} steps")
        if process.returncode != 0:
            raise SystemExit(f"{log.read_text()[-3000:]}\ncross: {' '.join(command[:3])} … failed, see {log}")

    def build(self, name: str, source: str, target: str | None, **options: object) -> pathlib.Path:
        place = self.work / name
        shutil.rmtree(place, ignore_errors=True)
        settings = {
            "CMAKE_TOOLCHAIN_FILE": HERE / "toolchain.cmake", "SYSROOT": self.sysroot, "TOOLS": self.programs,
            "CMAKE_MAKE_PROGRAM": self.tools / "run/usr/bin/ninja", "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_INSTALL_PREFIX": self.sysroot / "usr", "CMAKE_INSTALL_LIBDIR": "lib", "BUILD_SHARED_LIBS": "NO",
            "BUILD_TESTING": "NO", "Python3_EXECUTABLE": sys.executable, **options,
        }
        self.cmake(
            "-G", "Ninja", "-S", self.source / source, "-B", place,
            *(f"-D{name}={value}" for name, value in settings.items()))
        self.cmake("--build", place, *(["--target", target] if target else []))
        return place

    def build_dispatch(self) -> None:
        """In C alone: concurrency is built with it, and what it has for Swift with concurrency."""
        place = self.build("dispatch", "swift-corelibs-libdispatch", None, ENABLE_SWIFT="NO")
        exports = place / "cmake/modules/dispatchExports.cmake"
        # Names of targets that only its own build knows.
        text, found = re.subn(
            r"\\\$<LINK_ONLY:RT::rt>;\\\$<LINK_ONLY:Threads::Threads>", "rt;pthread", exports.read_text())
        if found != 1:
            raise SystemExit(f"cross: {exports.name} is not as it was known")
        exports.write_text(text)

    def build_core(self) -> None:
        place = self.build(
            "core", "swift/Runtimes/Core", None, **OPTIONS, dispatch_DIR=self.work / "dispatch/cmake/modules")
        self.cmake("--install", place)
        libraries = self.static / "linux"
        for archive in (libraries / "armv7").glob("*.a"):
            archive.replace(libraries / archive.name)
        # The compiler looks for these beside the libraries of both kinds.
        shared = self.sysroot / "usr/lib/swift"
        shutil.copytree(shared / "shims", self.static / "shims", dirs_exist_ok=True)
        (shared / "linux/armv7").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(libraries / "armv7/swiftrt.o", shared / "linux/armv7/swiftrt.o")
        run(
            self.programs / "llvm-ar", "qcsL", libraries / "libswiftCore.a",
            place / "CommandLineSupport/libswiftCommandLineSupport.a")

    def swiftc(self, name: str, sources: list[pathlib.Path], *options: str) -> None:
        """A module of the runtime, from its sources to `lib….a` and where the compiler looks for it."""
        place = self.work / name
        place.mkdir(exist_ok=True)
        modules = self.static / "linux" / f"{name}.swiftmodule"
        modules.mkdir(exist_ok=True)
        library = f"swift{name}" if name in ("Glibc", "Synchronization") else name
        run(
            self.programs / "swiftc", "-target", TRIPLE, "-sdk", self.sysroot, "-resource-dir", self.static,
            *(word for flag in BOARD for word in ["-Xcc", flag]), "-O", "-whole-module-optimization",
            "-parse-as-library", "-static", "-swift-version", "5", "-module-name", name, "-module-link-name", library,
            "-Xfrontend", "-disable-implicit-concurrency-module-import",
            "-Xfrontend", "-disable-implicit-string-processing-module-import", *options,
            "-emit-module", "-emit-module-path", modules / f"{TRIPLE}.swiftmodule",
            "-emit-object", "-o", place / f"{name}.o", *sources, cwd=place)
        archive = self.static / "linux" / f"lib{library}.a"
        archive.unlink(missing_ok=True)
        run(self.programs / "llvm-ar", "rcs", archive, place / f"{name}.o")

    def availability(self) -> list[str]:
        """What `@available(SwiftStdlib 5.7, *)` means, in the compiler's words."""
        lines = (self.source / "swift/utils/availability-macros.def").read_text().splitlines()
        macros = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return [word for macro in macros for word in ["-Xfrontend", "-define-availability", "-Xfrontend", macro]]

    def expanded(self, template: pathlib.Path) -> pathlib.Path:
        path = self.work / "expanded" / template.with_suffix("").name
        path.parent.mkdir(exist_ok=True)
        run(
            sys.executable, self.source / "swift/utils/gyb", "-DCMAKE_SIZEOF_VOID_P=4", "--line-directive=",
            "-o", path, template)
        return path

    def build_overlays(self) -> None:
        public = self.source / "swift/stdlib/public"
        # How the C library is divided into modules is the same for every processor.
        theirs = self.tools / "usr/libexec/swift/lib/swift/linux/x86_64"
        for name in ["glibc.modulemap", "SwiftGlibc.h"]:
            shutil.copyfile(theirs / name, self.static / "linux/armv7" / name)
        platform = public / "Platform"
        self.swiftc(
            "Glibc",
            [platform / "Platform.swift", platform / "TiocConstants.swift", platform / "POSIXError.swift",
             self.expanded(platform / "tgmath.swift.gyb"), self.expanded(platform / "Glibc.swift.gyb")],
            "-DSWIFT_STDLIB_HAS_ENVIRON", "-DSWIFT_ENABLE_REFLECTION", *self.availability())
        parts = public / "Synchronization"
        sources = sorted((parts / "Atomics").glob("*.swift")) + [parts / "Cell.swift"]
        sources += [parts / "Mutex" / f"{name}.swift" for name in ["LinuxImpl", "Mutex", "SpinLoopHint"]]
        sources += [self.expanded(path) for path in sorted((parts / "Atomics").glob("*.gyb"))]
        features = [word for name in ["RawLayout", "StaticExclusiveOnly", "Extern"] for word in ["-enable-experimental-feature", name]]
        self.swiftc("Synchronization", sources, "-enable-builtin-module", *features, *self.availability())

    def build_swift_dispatch(self) -> None:
        place = self.build(
            "swift-dispatch", "swift-corelibs-libdispatch", None, ENABLE_SWIFT="YES",
            CMAKE_Swift_FLAGS=" ".join(
                ["-sdk", str(self.sysroot), "-resource-dir", str(self.static), *(f"-Xcc {flag}" for flag in BOARD)]))
        self.cmake("--install", place)

    def build_rest(self) -> None:
        self.swiftc("FoundationEssentials", [HERE / "FoundationEssentials.swift"])
        libraries = self.static / "linux"
        half = self.work / "half.o"
        run(
            self.programs / "clang", f"--target={TRIPLE}", f"--sysroot={self.sysroot}", *BOARD, "-O2", "-fPIC",
            "-c", HERE / "half.c", "-o", half)
        run(self.programs / "llvm-ar", "rcs", libraries / "libswiftCore.a", half)
        (libraries / "static-stdlib-args.lnk").write_text(
            "-ldl\n-lpthread\n-lswiftCore\n-ldispatch\n-lBlocksRuntime\n-lstdc++\n-lm\n-l:libatomic.a\n")
