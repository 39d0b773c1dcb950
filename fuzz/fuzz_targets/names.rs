//! Whole applets with a saved file of any bytes and NAMEs of any bytes, in every format.
#![no_main]

mod memory;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use connbox::applet::APPLETS;
use connbox::frame::Call;
use connbox::error::Error;
use connbox::model::StateSet;
use libfuzzer_sys::fuzz_target;
use memory::Memory;

/// An applet's own options; the input switches each on or off.
fn options(applet: &str) -> &'static [&'static str] {
    match applet {
        "conncount" => &[
            "--transport",
            "--quick",
            "--by=raddr/24/64,state,family,lport",
            "-tu",
            "--sum=recv_queue,send_queue",
            "--raddr=127.0.0.0/8,::/0",
            "--lport=1-9000",
            "--strict",
        ],
        "network-connections" => &["--strict", "-w5", "-c@1:9", "--conn-type=tcp"],
        "snmpget-tcp" => &["--all", "--oid", "--describe"],
        "tcpstates" => &["--by=family", "--hex", "-4", "-6", "--lport=1-9000", "--uid=0"],
        _ => &[],
    }
}

const FORMATS: [&str; 8] =
    ["--tsv", "--shell", "--json", "--prom", "-v", "-H", "--explain", "--shell"];

thread_local! {
    static FILE: Memory = Memory::new("names", 210);
}

/// Input: a byte for the applet, one for its options, one for the format; a line of NAMEs with blanks
/// between them; the file.
fn arguments(data: &[u8]) -> Option<(&'static connbox::frame::Applet, Vec<OsString>)> {
    let (&[which, own, format], data) = data.split_first_chunk()?;
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let names = parts.next()?.split(|byte| *byte == b' ').filter(|name| !name.contains(&0));
    let names = names.filter(|name| !name.is_empty()).map(|name| OsString::from_vec(name.to_vec()));
    let applet = APPLETS[usize::from(which) % APPLETS.len()];
    let path = FILE.with(|file| {
        file.hold(parts.next().unwrap_or_default());
        file.path.clone()
    });
    let mut words: Vec<OsString> = vec!["--output=/dev/null".into(), "--from".into(), path.into()];
    words.push(FORMATS[usize::from(format) % FORMATS.len()].into());
    let chosen = options(applet.name).iter().enumerate().filter(|(bit, _)| own >> bit & 1 == 1);
    words.extend(chosen.map(|(_, option)| OsString::from(option)));
    words.push("--".into());
    words.extend(names);
    Some((applet, words))
}

fuzz_target!(|data: &[u8]| {
    let _ = StateSet::parse(&data[..data.len().min(24)]);
    let Some((applet, words)) = arguments(data) else { return };
    let mut call = Call::new(words, applet, |_, _| {});
    match (applet.run)(&mut call) {
        Ok(()) | Err(Error::Said | Error::Ended(_)) => {}
        Err(Error::Fault { text, .. }) => assert!(text.windows(2).any(|two| two == b": ")),
        Err(other) => panic!("{other:?}"),
    }
});
