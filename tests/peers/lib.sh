# shellcheck shell=bash
# What the checks of checks.txt use. $1 is the folder of the tools, $2 the process IDs of the holders, $3 the folder with connbox's
# applets.
tools=$1 pids=$2
export applets=$3
read -r lowest middle highest <<<"$pids"
export lowest middle highest
export PATH=$tools/bin:$PATH PYTHONPATH=$tools/python
for folder in "$tools"/debian/usr/lib/*-linux-gnu "$tools"/debian/lib/*-linux-gnu; do
    LD_LIBRARY_PATH+=${LD_LIBRARY_PATH:+:}$folder
done
export LD_LIBRARY_PATH
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A line for each row: its words where a process ID is the lowest of the holders' or the like.
called() {
    sed -E "s/\b$lowest\b/lowest/g; s/\b$middle\b/middle/g; s/\b$highest\b/highest/g"
}

# Runs Python with the modules.
py() {
    python3 -c "$1"
}

# As an ordinary user. Its Python is the system's, which it can read.
as_nobody() {
    setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# The value of a series of node_exporter.
metric() {
    node_exporter --collector.disable-defaults --collector.tcpstat --collector.sockstat --collector.netstat \
        --collector.netstat.fields='.*' --collector.conntrack --web.listen-address=127.0.0.1:9100 --log.level=error >/dev/null 2>&1 &
    local exporter=$!
    SERIES=$1 python3 - <<'PY'
import os, time, urllib.request

for _ in range(100):
    try:
        text = urllib.request.urlopen("http://127.0.0.1:9100/metrics", timeout=5).read().decode()
        break
    except OSError:
        time.sleep(0.1)
for line in text.splitlines():
    if line.startswith(os.environ["SERIES"] + " "):
        print(int(float(line.split()[-1])))
PY
    kill "$exporter"
    wait "$exporter"
}

# What snmpd answers for a subtree, asked over $1 (udp or tcp), which adds sockets of that kind.
walk() {
    export SNMP_PERSISTENT_DIR=$scratch SNMPCONFPATH=$scratch MIBS=
    echo 'rocommunity public 127.0.0.1' >"$scratch/agent.conf"
    snmpd -f -C -c "$scratch/agent.conf" -Lf /dev/null "$1:127.0.0.1:1161" >/dev/null 2>&1 &
    local agent=$! answer
    for _ in {1..50}; do
        answer=$(snmpwalk -v 2c -c public -r 0 -t 5 -On "$1:127.0.0.1:1161" "$2" 2>/dev/null) && break
        sleep 0.1
    done
    # Here, because in a pipe this function has a shell of its own.
    kill "$agent"
    wait "$agent"
    echo "$answer"
}

# What sar prints for a keyword of -n. It starts sadc from one fixed place only, so here sadc writes a file for it.
sar_of() {
    rm -f "$scratch/data"
    sadc -S IPV6 1 2 "$scratch/data" && sar -n "$1" -f "$scratch/data"
}

# Prints the rows of systeminformation that a filter of JavaScript lets through: their number. Its first argument is the program
# that it finds, netstat or ss.
si() {
    mkdir -p "$scratch/programs"
    local program
    for program in "$1" sh grep cat; do
        ln -sf "$(command -v "$program")" "$scratch/programs/$program"
    done
    PATH=$scratch/programs "$(command -v node)" -e "
        require('$tools/npm/node_modules/systeminformation').networkConnections()
            .then((rows) => console.log(rows.filter((row) => $2).length))"
}
