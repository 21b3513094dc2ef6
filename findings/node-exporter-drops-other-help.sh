#!/bin/bash
# Guess: a textfile may have `process_open_fds{program="x"}` beside node_exporter's own `process_open_fds`. The label makes
# it another series, textfiles of several programs share names every day, and node_exporter says of the file that reading
# it went well.
#
# It leaves the series out, because the HELP of its own family has other words; without any HELP in the file too. The
# answer is 200, the rest of the same file is there, and node_textfile_scrape_error is 0: only the log says it, and
# promhttp_metric_handler_errors_total of the next answer. With the words that node_exporter has by chance both series are there.
#
# What an agent has to do: to give the figures of its own process names of its own in a textfile.
set -eu
work=$(mktemp -d)
pid=
trap 'kill -9 $pid 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

mkdir packages
(cd packages && apt-get download -qq prometheus-node-exporter=1.5.0-1+b6 >../apt.log 2>&1) || { cat apt.log >&2; exit 1; }
dpkg-deb -x packages/*.deb root
exporter=$work/root/usr/bin/prometheus-node-exporter

seen=
try() { # HELP: the words in the file, none for no such line
    rm -rf text && mkdir text
    { [ -z "$1" ] || echo "# HELP process_open_fds $1"
      printf '# TYPE process_open_fds gauge\nprocess_open_fds{program="x"} 77\n# TYPE beside gauge\nbeside 1\n'; } >text/x.prom
    port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "$exporter" --collector.disable-defaults --collector.textfile --collector.textfile.directory=text \
        --web.listen-address="127.0.0.1:$port" 2>log & pid=$!
    for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
    python3 - "$port" >answer <<'END'
import sys, urllib.request
with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics") as answer:
    print(answer.status, answer.read().decode())
END
    kill "$pid"; wait "$pid" 2>/dev/null || true
    found="$(grep -c '^process_open_fds{program="x"} 77' answer || true),$(grep -c '^beside 1' answer || true)"
    seen="$seen$(head -c 3 answer)/$found/$(sed -n 's/^node_textfile_scrape_error //p' answer) "
}
try "Open file descriptors."
try ""
try "Number of open file descriptors."
echo "version: node_exporter $(dpkg-deb -f packages/*.deb Version)"
echo "expected: status/own series,other series/errors of the file: 200/1,1/0 three times"
echo "seen: $seen"
[ "$seen" = "200/0,1/0 200/0,1/0 200/1,1/0 " ]
