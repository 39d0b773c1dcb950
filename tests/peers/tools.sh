#!/usr/bin/env bash
# Usage: tools.sh FOLDER HERE: installs the tools of docs/peers.md in FOLDER, each in its pinned version, unless they are there
# already; HERE is the folder of this script. Prints a line for each tool: its name, and the reason if it is not there.
set -uo pipefail
folder=$1 here=$2
mkdir -p "$folder/bin" && cd "$folder" || exit 1

# Tool, package and version of Debian 12, the program in the package, and packages with its libraries.
debian='
ss iproute2 6.1.0-3 /bin/ss
nstat iproute2 6.1.0-3 /bin/nstat
lnstat iproute2 6.1.0-3 /usr/bin/lnstat
netstat net-tools 2.10-0.1+deb12u2 /bin/netstat
busybox busybox 1:1.35.0-4+deb12u1+b1 /bin/busybox
node_exporter prometheus-node-exporter 1.5.0-1+b6 /usr/bin/prometheus-node-exporter
conntrack conntrack 1:1.4.7-1+b2 /usr/sbin/conntrack libnetfilter-conntrack3 libnfnetlink0 libmnl0
iptstate iptstate 2.2.7-0.1 /usr/sbin/iptstate libnetfilter-conntrack3 libnfnetlink0 libncurses6
netstat-nat netstat-nat 1.4.10-3+b1 /usr/bin/netstat-nat
lsof lsof 4.95.0-1 /usr/bin/lsof
sar sysstat 12.6.1-1 /usr/bin/sar.sysstat libsensors5
sadc sysstat 12.6.1-1 /usr/lib/sysstat/sadc libsensors5
snmpd snmpd 5.9.3+dfsg-2+deb12u1 /usr/sbin/snmpd libsnmp40 libsensors5 libpci3 libwrap0 libperl5.36
snmpwalk snmp 5.9.3+dfsg-2+deb12u1 /usr/bin/snmpwalk libsnmp40 libsensors5 libpci3 libwrap0 libperl5.36
'
# Modules of Python, each with its version.
python='psutil=7.2.2 pyroute2=0.9.7 jc=1.26.1 testinfra=10.2.2 ansible=2.19.4'

# Prints the tool if $2 was done before, or if the rest of the arguments installs it now, else the reason, too.
install() {
    local tool=$1 stamp=$2
    shift 2
    if [[ ! -e done-$stamp || -L bin/$tool && ! -e bin/$tool ]]; then
        local said
        if ! said=$("$@" 2>&1); then
            # The last line of what failed has the reason.
            echo "$tool failed: $(grep . <<<"$said" | tail -n 1)"
            return
        fi
        touch "done-$stamp"
    fi
    echo "$tool"
}

download() {
    local package
    for package; do
        timeout 200 apt-get download -q -o APT::Sandbox::User=root -o Acquire::Retries=1 "$package" || return
        dpkg -x "${package%%=*}"_*.deb debian && rm "${package%%=*}"_*.deb || return
    done
}

# The program of a package that is installed in this version, or else of the package downloaded.
from_debian() {
    local tool=$1 package=$2 version=$3 path=$4
    shift 4
    if [[ $(dpkg-query -W -f '${Version}' "$package" 2>/dev/null) == "$version" ]]; then
        ln -sf "$path" "bin/$tool"
    else
        download "$package=$version" "$@" && ln -sf "../debian$path" "bin/$tool"
    fi
}

from_pip() {
    local package=$1
    case $package in
        testinfra=*) package=pytest-$package ;;
        ansible=*) package=ansible-core=${package#*=} ;;
    esac
    timeout 500 python3 -m pip install --quiet --retries 1 --disable-pip-version-check --root-user-action=ignore --upgrade \
        --target python "${package/=/==}"
}

from_npm() {
    timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix npm "$1"
}

# A program that prints what the three crates list.
from_crates() {
    mkdir -p crates/src && cp "$here/lists.rs" crates/src/main.rs || return
    cat >crates/Cargo.toml <<'TOML'
[package]
name = "lists"
version = "0.0.0"
edition = "2021"

[dependencies]
procfs = "=0.18.0"
netstat2 = "=0.11.2"
listeners = "=0.6.1"

[workspace]
TOML
    # Not static, which this project's configuration asks for: a dependency has a proc macro.
    (cd crates && RUSTFLAGS='-C target-feature=-crt-static' CARGO_TARGET_DIR=$folder/crates/target timeout 900 cargo build --quiet) &&
        ln -sf "$folder/crates/target/debug/lists" bin/lists
}

while read -r tool package version path libraries; do
    [[ $tool ]] || continue
    # shellcheck disable=SC2086  # libraries are words
    install "$tool" "$tool-${version//:/-}" from_debian "$tool" "$package" "$version" "$path" $libraries
done <<<"$debian"
for package in $python; do
    install "${package%%=*}" "$package" from_pip "$package"
done
install systeminformation systeminformation-5.33.26 from_npm systeminformation@5.33.26
install lists "lists-$(sha256sum <"$here/lists.rs" | cut -c 1-8)" from_crates
