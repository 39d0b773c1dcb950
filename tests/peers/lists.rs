//! Prints what the crates procfs, netstat2 and listeners list, one line per item: crate, protocol, state, and further columns.
//! `tools.sh` builds it as a program of its own.

use netstat2::{AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, get_sockets_info};

fn main() {
    for one in procfs::net::tcp().unwrap() {
        println!("procfs tcp {:?}", one.state);
    }
    for one in procfs::net::tcp6().unwrap() {
        println!("procfs tcp6 {:?}", one.state);
    }
    for one in procfs::net::udp().unwrap() {
        println!("procfs udp {:?}", one.state);
    }
    for one in procfs::net::udp6().unwrap() {
        println!("procfs udp6 {:?}", one.state);
    }
    let families = AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6;
    for one in get_sockets_info(families, ProtocolFlags::TCP | ProtocolFlags::UDP).unwrap() {
        let holders: Vec<String> = one.associated_pids.iter().map(u32::to_string).collect();
        let holders = holders.join(",");
        match one.protocol_socket_info {
            ProtocolSocketInfo::Tcp(tcp) => {
                println!("netstat2 tcp {:?} port={} {holders}", tcp.state, tcp.local_port);
            }
            ProtocolSocketInfo::Udp(udp) => println!("netstat2 udp - port={} {holders}", udp.local_port),
        }
    }
    for one in listeners::get_all().unwrap() {
        let (port, pid) = (one.socket.port(), one.process.pid);
        println!("listeners {} {} port={port} {pid}", one.protocol, one.state);
    }
}
