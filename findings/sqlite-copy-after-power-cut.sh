#!/bin/bash
# Guess: once `.backup` has ended, the copy survives a power cut. It is a good guess because `synchronous` is FULL,
# and strace shows the copy and its journal synced in the right order.
#
# It misses by one step. The copy's last act is to delete its journal, and the directory is not synced after that. The
# disk may come back with the journal, which then rolls the copy back to what it was at first: nothing, 0 bytes, no
# error. strace makes such a disk here: it answers the deletion with success and leaves the file where it is.
#
# What an agent has to do: sync the directory after a copy, or `VACUUM INTO` with `synchronous=EXTRA`, which does so.
# EXTRA on the source is of no use to `.backup`: the copy is another connection. Only then may older copies go.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir packages
(cd packages && apt-get download -qq sqlite3=3.40.1-2+deb12u2 libsqlite3-0=3.40.1-2+deb12u2 strace=6.1-0.1 libunwind8 \
    2>../apt.log) || { cat apt.log >&2; exit 1; }
for package in packages/*.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu)
sqlite=root/usr/bin/sqlite3 strace=root/usr/bin/strace

$sqlite own.db "CREATE TABLE messages (text); INSERT INTO messages VALUES ('a'), ('b'), ('c');"

$strace -y -o calls -e trace=fsync,fdatasync,unlink -e inject=unlink:retval=0 $sqlite own.db '.backup copy.db'
synced=$(sed '1,/^unlink/d' calls | grep -c sync || true)
before=$(stat -c %s copy.db)
tables=$($sqlite copy.db 'SELECT count(*) FROM sqlite_schema')
after=$(stat -c %s copy.db)

$strace -y -o calls -e trace=fsync,fdatasync,unlink $sqlite own.db "PRAGMA synchronous=EXTRA; VACUUM INTO 'other.db'"
extra=$(sed '1,/^unlink/d' calls | grep -c sync || true)

seen="$before bytes before, $after bytes and $tables tables after the cut;"
seen="$seen syncs after the deletion: $synced, with EXTRA $extra"
echo "version: $($sqlite --version | cut -d' ' -f1)"
echo "expected: the copy as it was, 1 table"
echo "seen: $seen"
[ "$seen" = "8192 bytes before, 0 bytes and 0 tables after the cut; syncs after the deletion: 0, with EXTRA 1" ]
