//! `--from-command "ss -Htn state time-wait"`: the command that made a text, for what the text does not tell.

use super::netstat::Which;
use super::{Form, ss};

/// What a command of ss or netstat says about its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The form of its text; `None` without a command.
    form: Option<Form>,
    /// The protocol, if only one was asked for: 6, 17, or 0 for one that connbox does not count.
    pub protocol: Option<u8>,
    /// Whether sockets of TCP and of UDP were asked for.
    pub has: [bool; 2],
    /// The state, if only one was asked for.
    pub state: Option<u8>,
    /// The states of TCP that were asked for, bit N for state N; `None` without a command.
    pub states: Option<u16>,
    /// The families that were asked for, 1 for IPv4 and 2 for IPv6; 0 for both.
    pub families: u8,
    /// Whether a filter by addresses, ports or the like left out sockets.
    pub has_filter: bool,
    /// Whether it prints no header, and nothing at all without sockets: `ss -H`.
    pub has_no_header: bool,
    /// Whether it cuts no address: `netstat -W`.
    pub is_wide: bool,
    /// Whether the name of a file says it, which its reader has not chosen.
    pub is_of_name: bool,
}

/// What is said of a text that is not of this command.
pub const OTHER: &str = "--from-command: the text is of another command: it has a state, a protocol or a family that this one does not \
     list, or is of another tool; name the command that made it";

/// All states of ss, bit N for the kernel's state N.
const ALL: u16 = 0xffe;
const ESTABLISHED: u16 = 1 << 1;
const CLOSED: u16 = 1 << 7;
const LISTEN: u16 = 1 << 10;
/// What ss lists of TCP without -a, -l and `state` (SS_CONN in misc/ss.c of iproute2).
const PLAIN: u16 = ALL & !(CLOSED | LISTEN | BUCKET);
/// The minisockets, SYN-RECV and TIME-WAIT.
const BUCKET: u16 = 1 << 3 | 1 << 6;

/// The long names of the options that choose sockets.
const LONG: [(&str, u8); 13] = [
    ("--tcp", b't'),
    ("--udp", b'u'),
    ("--raw", b'w'),
    ("--unix", b'x'),
    ("--dccp", b'd'),
    ("--sctp", b'S'),
    ("--mptcp", b'M'),
    ("--packet", b'0'),
    ("--vsock", b'v'),
    ("--tipc", b'T'),
    ("--xdp", b'X'),
    ("--query", b'A'),
    ("--socket", b'A'),
];

impl Command {
    /// Reads a command of ss or netstat.
    ///
    /// # Errors
    /// If it is another one or more than one, or its state is not one of ss.
    pub fn parse(text: &str) -> Result<Command, &'static str> {
        if has_more(text) {
            return Err(
                "is more than one command, and what the others leave out is not known: save the whole text of one",
            );
        }
        let text = text.replace(QUOTES, "");
        let mut words = text.split_ascii_whitespace().peekable();
        let is_around = |first: &&str| first.contains('=') || AROUND.contains(&base(first));
        if words.peek().is_some_and(is_around) {
            while words.next_if(|word| !["ss", "netstat"].contains(&base(word))).is_some() {}
        }
        match words.next().map(base) {
            Some("ss") => Command::of_ss(words),
            Some("netstat") => Ok(Command::of_netstat(words)),
            _ => Err("is not a command of ss or netstat, as ss -Htn state STATE"),
        }
    }

    /// What it says about a text of this form.
    pub fn about(self, form: Form) -> Command {
        if self.form == Some(form) { self } else { Command::default() }
    }

    /// Whether it is one of ss where a text is of netstat, or the other way round.
    pub fn is_not_of(&self, form: Form) -> bool {
        !self.is_of_name && self.form.is_some_and(|own| own != form)
    }

    /// Whether it lists no such socket. Of a command that the name of a file says, this is not asked: nobody has claimed
    /// it. `state`: the kernel's number.
    #[inline]
    pub fn excludes(&self, is_udp: bool, is_v6: Option<bool>, state: u8) -> bool {
        let Some(states) = self.states.filter(|_| !self.is_of_name) else { return false };
        // A socket of TCP that is only bound is UNCONN, too.
        let states = states | (states >> 13 & 1) << 7;
        let is_family = is_v6.is_none_or(|is_v6| self.families >> u8::from(is_v6) & 1 == 1);
        let [has_tcp, has_udp] = self.has;
        let has_protocol = if is_udp { has_udp } else { has_tcp };
        !has_protocol || self.families != 0 && !is_family || states >> (state & 15) & 1 == 0
    }

    /// The families that it lists, 1 for IPv4 and 2 for IPv6; `None` without a command.
    pub fn listed_families(&self) -> Option<u8> {
        self.form.map(|_| if self.families == 0 { 3 } else { self.families })
    }

    /// Of how many kinds are the sockets that it lists, by protocol, family and state; 0 with a filter.
    pub fn breadth(&self) -> u32 {
        let protocols = self.has.iter().filter(|has| **has).count();
        let families = self.listed_families().unwrap_or_default().count_ones();
        let kinds = self.states.unwrap_or_default().count_ones().saturating_mul(families);
        if self.has_filter {
            0
        } else {
            kinds.saturating_mul(u32::try_from(protocols).unwrap_or_default())
        }
    }

    /// Which sockets of TCP the title of netstat announces.
    pub fn title(&self) -> Option<Which> {
        self.states.map(|states| match (states & LISTEN, states & !(LISTEN | CLOSED)) {
            (0, _) => Which::NoServers,
            (_, 0) => Which::OnlyServers,
            _ => Which::All,
        })
    }

    fn of_netstat<'a>(mut words: impl Iterator<Item = &'a str>) -> Command {
        let mut command = Command { form: Some(Form::Netstat), ..Command::default() };
        let (mut has_all, mut has_listening, mut kinds) = (false, false, String::new());
        while let Some(word) = words.next() {
            command.families |= families(word);
            if let Some(value) =
                word.strip_prefix("--protocol=").or_else(|| word.strip_prefix("-A"))
            {
                let value = if value.is_empty() { words.next().unwrap_or_default() } else { value };
                command.take(b'f', value);
                kinds.extend(value.split(',').any(|name| name == "unix").then_some('x'));
                continue;
            }
            let letters = match word.strip_prefix("--") {
                Some("wide") => "W",
                Some("all") => "a",
                Some("listening") => "l",
                Some("tcp") => "t",
                Some("udp") => "u",
                Some("udplite") => "U",
                Some("sctp") => "S",
                Some("raw") => "w",
                Some("unix") => "x",
                Some(_) => "",
                None => word.strip_prefix('-').unwrap_or_default(),
            };
            kinds.extend(letters.chars().filter(|letter| "tuUSwx".contains(*letter)));
            command.is_wide |= letters.contains('W');
            has_all |= letters.contains('a');
            has_listening |= letters.contains('l');
        }
        command.states = Some(match (has_all, has_listening) {
            (true, _) => ALL,
            (_, true) => LISTEN | CLOSED,
            _ => ALL & !LISTEN,
        });
        // Without any it lists all, and those of the Internet where a family of it is asked for.
        let is_any =
            kinds.is_empty() || command.families != 0 && kinds.bytes().all(|it| it == b'x');
        command.has = ['t', 'u'].map(|kind| is_any || kinds.contains(kind));
        command
    }

    /// Takes the value of an option.
    fn take(&mut self, letter: u8, value: &str) {
        match letter {
            b'f' => self.families |= value.split(',').fold(0, |all, name| all | family(name)),
            b'F' => self.has_filter = true,
            _ => {}
        }
    }

    fn of_ss<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Command, &'static str> {
        let mut command = Command { form: Some(Form::Ss), ..Command::default() };
        let (mut kinds, mut states, mut named) = (Vec::new(), None, 0);
        while let Some(word) = words.next() {
            let long = word.split('=').next().unwrap_or_default();
            command.families |= families(word);
            states = listed(word).or(states);
            command.has_no_header |= word == "--no-header" || short(word).contains('H');
            if let Some((_, letter)) = LONG.iter().find(|(name, _)| *name == long) {
                match letter {
                    b'A' => kinds.extend(list(
                        word.split_once('=').map(|(_, list)| list).or_else(|| words.next()),
                    )),
                    letter => kinds.push(*letter),
                }
            } else if let Some((_, kind)) = VALUED.iter().find(|(name, _)| *name == long) {
                let value = word.split_once('=').map(|(_, value)| value).or_else(|| words.next());
                command.take(*kind, value.unwrap_or_default());
            } else if let Some(letters) = word.strip_prefix('-').filter(|_| !word.starts_with("--"))
            {
                match letters.split_once(TAKE_VALUES) {
                    None => kinds.extend(letters.bytes().filter(|letter| CHOOSE.contains(letter))),
                    Some((before, value)) => {
                        kinds.extend(before.bytes().filter(|letter| CHOOSE.contains(letter)));
                        let value =
                            Some(value).filter(|value| !value.is_empty()).or_else(|| words.next());
                        match letters.as_bytes().get(before.len()) {
                            Some(b'A') => kinds.extend(list(value)),
                            Some(kind) => command.take(*kind, value.unwrap_or_default()),
                            None => {}
                        }
                    }
                }
            } else if word == "state" {
                named |= states_of(&words.next().unwrap_or_default().to_ascii_uppercase())?;
            } else if word == "exclude" {
                let excluded = states_of(&words.next().unwrap_or_default().to_ascii_uppercase())?;
                named = if named == 0 { ALL } else { named } & !excluded;
            } else if is_redirection(word) {
                // Its file may be a word of its own.
                let _ = word.ends_with(['<', '>']).then(|| words.next());
            } else if !word.starts_with('-') {
                command.has_filter = true;
            }
        }
        let states = if named == 0 { states.unwrap_or_else(|| plain(&kinds)) } else { named };
        command.states = Some(states);
        // Numbers of states have a few bits.
        command.state = states.is_power_of_two().then(|| states.trailing_zeros() as u8);
        kinds.sort_unstable();
        kinds.dedup();
        let number = |kind: u8| match kind {
            b't' => 6,
            b'u' => 17,
            _ => 0,
        };
        command.protocol = if let [one] = kinds[..] { Some(number(one)) } else { None };
        command.has = [b't', b'u'].map(|kind| kinds.contains(&kind) || kinds.is_empty());
        Ok(command)
    }
}

/// What ss lists of these kinds of sockets without -a, -l and `state`: of UDP and raw ones a single state, for which
/// there is no column.
fn plain(kinds: &[u8]) -> u16 {
    let is_of_peers = !kinds.is_empty() && kinds.iter().all(|kind| matches!(kind, b'u' | b'w'));
    if is_of_peers { ESTABLISHED } else { PLAIN }
}

/// What a shell takes away from words.
const QUOTES: [char; 3] = ['\'', '"', '\\'];

/// Whether a shell would run more than one command.
fn has_more(text: &str) -> bool {
    let (mut quote, mut before) = (None, ' ');
    text.trim().chars().any(|one| {
        let is_bare = quote.is_none() && before != '\\';
        match quote {
            None if is_bare && QUOTES[..2].contains(&one) => quote = Some(one),
            Some(open) if open == one => quote = None,
            _ => {}
        }
        // As in 2>&1.
        let is_descriptor = one == '&' && before == '>';
        before = one;
        is_bare && matches!(one, '|' | ';' | '&' | '`' | '\n') && !is_descriptor
    })
}

/// Whether a shell would send output elsewhere, as by 2>&1.
fn is_redirection(word: &str) -> bool {
    word.trim_start_matches(|one: char| one.is_ascii_digit()).starts_with(['<', '>'])
}

/// Commands that run the one behind them, beside settings of the environment.
const AROUND: [&str; 9] =
    ["sudo", "doas", "env", "busybox", "ip", "nsenter", "ssh", "timeout", "nice"];

/// The name of a program without its folder.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or_default()
}

/// The bit of a family's name.
fn family(name: &str) -> u8 {
    match name {
        "inet" => 1,
        "inet6" => 2,
        _ => 0,
    }
}

/// The families that an option without a value chooses.
fn families(word: &str) -> u8 {
    match word {
        "--ipv4" | "--inet" => 1,
        "--ipv6" | "--inet6" => 2,
        word => u8::from(short(word).contains('4')) | u8::from(short(word).contains('6')) << 1,
    }
}

/// The long options that take a value, each with its letter.
const VALUED: [(&str, u8); 4] =
    [("--family", b'f'), ("--filter", b'F'), ("--diag", b'D'), ("--net", b'N')];

/// The letters of the options that choose sockets.
const CHOOSE: &[u8] = b"tuwxdSM0";

/// The kinds in a list of `-A`.
fn list(words: Option<&str>) -> impl Iterator<Item = u8> {
    let kinds = |word: &str| match word {
        "all" => "tux",
        "inet" => "tuw",
        "tcp" => "t",
        "udp" => "u",
        _ => "x",
    };
    words.unwrap_or_default().split(',').flat_map(move |word| kinds(word).bytes())
}

/// The letters of options that take a value, which may be attached.
const TAKE_VALUES: [char; 5] = ['A', 'f', 'F', 'D', 'N'];

/// The letters of the options in a word, without an attached value.
fn short(word: &str) -> &str {
    let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
    letters.and_then(|letters| letters.split(TAKE_VALUES).next()).unwrap_or_default()
}

/// The states that an option chooses.
fn listed(word: &str) -> Option<u16> {
    let letters = match word.strip_prefix('-')? {
        "-all" => "a",
        "-listening" => "l",
        _ => short(word),
    };
    let last = letters.chars().rfind(|letter| matches!(letter, 'a' | 'l'))?;
    Some(if last == 'a' { ALL } else { LISTEN | CLOSED })
}

/// The states of a name.
fn states_of(name: &str) -> Result<u16, &'static str> {
    let name = match name {
        "ALL" => return Ok(ALL),
        "CONNECTED" => return Ok(ALL & !(CLOSED | LISTEN)),
        "SYNCHRONIZED" => return Ok(ALL & !(CLOSED | LISTEN | 1 << 2)),
        "BUCKET" => return Ok(BUCKET),
        "BIG" => return Ok(ALL & !BUCKET),
        "ESTABLISHED" => "ESTAB",
        "LISTENING" => "LISTEN",
        "CLOSED" | "UNCONNECTED" => "UNCONN",
        name => name,
    };
    let number = ss::state(name.as_bytes()).ok_or("names a state that ss does not know")?;
    Ok(1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_tell_protocol_and_state() {
        for (text, protocol, state) in [
            ("ss -Htn state time-wait", Some(6), Some(6)),
            ("/usr/bin/ss -o state established ( dport = :ssh )", None, Some(1)),
            ("ss -tn", Some(6), None),
            ("ss -uan", Some(17), None),
            ("ss -un", Some(17), Some(1)),
            ("ss -Hn -A udp", Some(17), Some(1)),
            ("ss -uln", Some(17), None),
            ("ss -un state connected", Some(17), None),
            ("ss -tuan", None, None),
            ("ss --tcp --numeric state connected", Some(6), None),
            ("ss -A tcp state FIN-WAIT-2", Some(6), Some(5)),
            ("ss -Atcp,udp", None, None),
            ("ss -A inet", None, None),
            ("ss -A all", None, None),
            ("ss -A unix", Some(0), None),
            ("ss --query=udp", Some(17), Some(1)),
            ("ss -wan", Some(0), None),
            ("ss -f inet6 -t", Some(6), None),
            ("ss", None, None),
        ] {
            let command = Command::parse(text).unwrap();
            assert_eq!((command.protocol, command.state), (protocol, state), "{text}");
        }
        assert_eq!(Command::parse("ss -tuan").unwrap().has, [true, true]);
        for all in ["ss -A inet", "ss -A all -n", "ss --query=inet,unix"] {
            assert_eq!(Command::parse(all).unwrap().has, [true, true], "{all}");
        }
        assert_eq!(Command::parse("ss -t").unwrap().has, [true, false]);
        for (text, has) in [
            ("netstat -tuanp", [true, true]),
            ("netstat -W -neopa", [true, true]),
            ("netstat --tcp --all", [true, false]),
            ("netstat -un", [false, true]),
            ("netstat -x", [false, false]),
            ("netstat -A unix -a", [false, false]),
            ("netstat -4x", [true, true]),
            ("netstat -wan", [false, false]),
        ] {
            assert_eq!(Command::parse(text).unwrap().has, has, "{text}");
        }
        let state = |number: u8| 1 << number;
        for (text, states) in [
            ("ss -tn", PLAIN),
            ("ss -Htan", ALL),
            ("ss --tcp --all", ALL),
            ("ss -tln", LISTEN | CLOSED),
            ("ss -t state close-wait", state(8)),
            ("ss -ta state fin-wait-1 state time-wait", state(4) | state(6)),
            ("ss -t state connected exclude established", ALL & !(CLOSED | LISTEN | state(1))),
            ("ss -t exclude time-wait", ALL & !state(6)),
            ("ss -f inet -t", PLAIN),
        ] {
            assert_eq!(Command::parse(text).unwrap().states, Some(states), "{text}");
        }
        assert_eq!(Command::default().states, None);
        for wrong in ["", "lsof -i", "ss state foo", "ss -t state"] {
            assert!(Command::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn commands_tell_families_and_filters() {
        for (text, families, has_filter) in [
            ("ss -tan", 0, false),
            ("ss -4 -tan", 1, false),
            ("ss -tan6", 2, false),
            ("ss -46tan", 3, false),
            ("ss -tan --ipv6", 2, false),
            ("ss -tanf inet", 1, false),
            ("ss --family=inet6 -tan", 2, false),
            ("ss --family inet -tan -N blue", 1, false),
            ("ss -tan sport = :80", 0, true),
            ("ss -tan 'sport = :80 || dport = :80'", 0, true),
            ("ss -4 state established \\( dport = :ssh \\)", 1, true),
            ("ss -tan -F FILTER", 0, true),
            ("ss -tan > FILE 2>&1", 0, false),
            ("ss -tan >FILE", 0, false),
            ("netstat -tan", 0, false),
            ("netstat -4tan", 1, false),
            ("netstat --inet6 -tan", 2, false),
            ("netstat -A inet -tan", 1, false),
            ("netstat --protocol=inet6,inet -tan", 3, false),
        ] {
            let command = Command::parse(text).unwrap();
            assert_eq!((command.families, command.has_filter), (families, has_filter), "{text}");
        }
        assert_eq!(Command::parse("ss -t 'state established'").unwrap().state, Some(1));
        for text in [
            "ss -tan | head -1",
            "ss -tan|head",
            "ss -tan; true",
            "ss -tan && true",
            "netstat -tan & ",
            "ss -tan `cat FILTER`",
            "ss -tan\nss -uan",
        ] {
            assert!(Command::parse(text).unwrap_err().contains("more than one command"), "{text}");
        }
    }

    #[test]
    fn commands_tell_what_they_do_not_list() {
        const UDP: bool = true;
        for (text, is_udp, is_v6, state, excludes) in [
            ("ss -Htan state time-wait", !UDP, None, 6, false),
            ("ss -Htan state time-wait", !UDP, None, 1, true),
            ("ss -tan", !UDP, Some(true), 6, false),
            ("ss -tan", UDP, None, 7, true),
            ("ss -tn", !UDP, None, 10, true),
            ("ss -tln", !UDP, None, 10, false),
            ("ss -uan", UDP, None, 7, false),
            ("sudo -u nobody ss -tln", !UDP, None, 10, false),
            ("LANG=C ss -tn", !UDP, None, 10, true),
            ("env LC_ALL=C /bin/ss -uan", UDP, None, 7, false),
            ("busybox netstat -tn", !UDP, Some(true), 10, true),
            ("/sbin/ip netns exec blue ss -4tan", !UDP, Some(true), 1, true),
            ("ss -4tan", !UDP, Some(false), 1, false),
            ("ss -4tan", !UDP, Some(true), 1, true),
            ("ss -4tan", !UDP, None, 1, false),
            ("ss -6tan", !UDP, Some(false), 1, true),
            ("ss -46tan", !UDP, Some(true), 1, false),
            ("ss -tan sport = :80", !UDP, None, 1, false),
            ("netstat -tan", !UDP, Some(true), 10, false),
            ("netstat -tn", !UDP, Some(true), 10, true),
            ("netstat -uln", UDP, Some(true), 7, false),
            ("netstat -uln", UDP, Some(true), 1, true),
            ("netstat -4tan", !UDP, Some(true), 1, true),
        ] {
            let command = Command::parse(text).unwrap();
            assert_eq!(command.excludes(is_udp, is_v6, state), excludes, "{text} {state}");
            let of_name = Command { is_of_name: true, ..command };
            assert!(!of_name.excludes(is_udp, is_v6, state) && !of_name.is_not_of(Form::Ss));
        }
        assert!(!Command::default().excludes(UDP, Some(true), 3));
        for other in ["watch ss -tan", "sudo", "sudo lsof", "LANG=C lsof"] {
            assert!(Command::parse(other).is_err(), "{other}");
        }
        assert!(Command::parse("ss -tan").unwrap().is_not_of(Form::Netstat));
        assert!(!Command::parse("ss -tan").unwrap().is_not_of(Form::Ss));
    }

    #[test]
    fn commands_tell_how_a_text_is_made() {
        for (text, has_no_header) in [
            ("ss -Htan", true),
            ("ss -tan --no-header", true),
            ("ss -t -H", true),
            ("ss -tHf inet", true),
            ("ss -tan", false),
            ("ss -tF HOSTS", false),
            ("ss -tFHOSTS", false),
            ("netstat -tHan", false),
        ] {
            assert_eq!(Command::parse(text).unwrap().has_no_header, has_no_header, "{text}");
        }
        for (text, is_wide, title) in [
            ("netstat -tan", false, Which::All),
            ("/bin/netstat -tanW", true, Which::All),
            ("netstat --wide --listening", true, Which::OnlyServers),
            ("netstat -W -tln", true, Which::OnlyServers),
            ("netstat -tn", false, Which::NoServers),
            ("netstat -W -neopa", true, Which::All),
            ("netstat -al", false, Which::All),
        ] {
            let command = Command::parse(text).unwrap();
            assert_eq!((command.is_wide, command.title()), (is_wide, Some(title)), "{text}");
            assert_eq!(command.about(Form::Netstat), command);
            assert_eq!(command.about(Form::Ss), Command::default());
        }
        assert_eq!(Command::default().title(), None);
    }
}
