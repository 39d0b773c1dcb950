//! The keywords of a conntrackd.conf(5) that have a meaning here: pure, so that it can be fuzzed.

use std::path::PathBuf;

use super::filter::{Filter, Policy};
use crate::cli;
use crate::model::{Flow, Prefix};

/// The settings in a configuration file.
#[derive(Debug, Default, PartialEq)]
pub struct Config {
    /// `UNIX { Path }`.
    pub socket: Option<PathBuf>,
    /// `LockFile`.
    pub lock: Option<PathBuf>,
    /// `HashLimit`.
    pub limit: Option<usize>,
    /// `LogFile` of `Stats`.
    pub log: Option<PathBuf>,
    /// `NetlinkBufferSize`, in bytes.
    pub buffer_bytes: Option<usize>,
    /// `NetlinkBufferSizeMaxGrowth`, in bytes.
    pub most_buffer_bytes: Option<usize>,
    /// `NetlinkOverrunResync`: after how many seconds; `Some(None)` for never.
    pub overrun_seconds: Option<Option<u32>>,
    /// `Filter`.
    pub filter: Filter,
    /// The keywords without a meaning here: line and keyword.
    pub ignored: Vec<(usize, String)>,
}

/// The line of an error, and the reason.
pub type Fault = (usize, String);

/// Where conntrackd logs flows that have ended if `LogFile` is only `on`.
const DEFAULT_LOG: &str = "/var/log/conntrackd-stats.log";

/// The kind of the current block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Top,
    General,
    Unix,
    Stats,
    Filter,
    Protocol(Policy),
    Address(Policy),
    State(Policy),
    /// A block without a meaning here; everything in it is skipped.
    Other,
}

/// Keywords without a meaning here: those of replication, of helpers, and of how conntrackd runs.
const IGNORED: [(Block, &str); 13] = [
    (Block::Top, "Sync"),
    (Block::Top, "Helper"),
    (Block::General, "HashSize"),
    (Block::General, "LogFile"),
    (Block::General, "Syslog"),
    (Block::General, "Nice"),
    (Block::General, "PollSecs"),
    (Block::General, "EventIterationLimit"),
    (Block::General, "NetlinkEventsReliable"),
    (Block::General, "Scheduler"),
    (Block::General, "Systemd"),
    (Block::Stats, "Syslog"),
    (Block::Stats, "NetlinkEventsReliable"),
];

/// A word, or the beginning or end of a block, or the end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Open,
    Close,
    Line,
}

/// Parses the text of a file.
///
/// # Errors
/// The line of the first error, and the reason.
pub fn read(text: &str) -> Result<Config, Fault> {
    let mut config = Config::default();
    let mut blocks = vec![Block::Top];
    let mut words: Vec<&str> = Vec::new();
    let mut last = 1;
    for (line, token) in tokens(text) {
        let token = token.map_err(|reason| (line, reason.to_owned()))?;
        let fault = |reason| (line, reason);
        let block = blocks.last().copied().unwrap_or(Block::Top);
        last = line;
        match token {
            Token::Word(word) => words.push(word),
            Token::Line | Token::Close => {
                if !words.is_empty() && block != Block::Other {
                    let said = config.statement(block, &words, line);
                    said.map_err(fault)?;
                }
                words.clear();
                if token == Token::Close && blocks.len() == 1 {
                    return Err(fault("'}' without a matching '{'".into()));
                } else if token == Token::Close {
                    blocks.pop();
                }
            }
            Token::Open => {
                let inner = config.block(block, &words, line).map_err(fault)?;
                blocks.push(inner);
                words.clear();
            }
        }
    }
    if blocks.len() > 1 { Err((last, "'{' without a matching '}'".into())) } else { Ok(config) }
}

impl Config {
    /// The kind of the block that `words` begin.
    fn block(&mut self, outer: Block, words: &[&str], line: usize) -> Result<Block, String> {
        if outer == Block::Other {
            return Ok(Block::Other);
        }
        let [word, rest @ ..] = words else { return Err("'{' without a keyword".into()) };
        let is = |known: &str| word.eq_ignore_ascii_case(known);
        let policy = || rest.first().and_then(|word| Policy::of(word));
        let wrong_policy = || format!("{word}: needs Accept or Ignore");
        match outer {
            Block::Top if is("General") => Ok(Block::General),
            Block::Top if is("Stats") => Ok(Block::Stats),
            Block::General if is("UNIX") => Ok(Block::Unix),
            Block::General if is("Filter") => Ok(Block::Filter),
            Block::Filter if is("Protocol") => {
                policy().map(Block::Protocol).ok_or_else(wrong_policy)
            }
            Block::Filter if is("Address") => policy().map(Block::Address).ok_or_else(wrong_policy),
            Block::Filter if is("State") => policy().map(Block::State).ok_or_else(wrong_policy),
            _ => self.ignore(outer, word, line).map(|()| Block::Other),
        }
    }

    /// Notes a keyword without a meaning here; an error if conntrackd does not know it either.
    fn ignore(&mut self, block: Block, word: &str, line: usize) -> Result<(), String> {
        let known = IGNORED
            .iter()
            .find(|(outer, known)| *outer == block && word.eq_ignore_ascii_case(known));
        let (_, known) = known.ok_or_else(|| format!("no such keyword here: {word}"))?;
        self.ignored.push((line, (*known).to_owned()));
        Ok(())
    }

    fn statement(&mut self, block: Block, words: &[&str], line: usize) -> Result<(), String> {
        let [word, values @ ..] = words else { return Ok(()) };
        let is = |known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
        let value = || values.first().copied().ok_or_else(|| format!("{word}: needs a value"));
        let number = || {
            let value = value()?;
            let number = cli::digits::<u32>(value)
                .ok_or_else(|| format!("{word}: '{value}' is not a number"));
            number.map(|number| number as usize)
        };
        match block {
            Block::General if is(&["HashLimit"]) => self.limit = Some(number()?),
            Block::General if is(&["LockFile"]) => self.lock = Some(path(word, value()?)?),
            Block::General if is(&["NetlinkBufferSize", "SocketBufferSize"]) => {
                self.buffer_bytes = Some(number()?);
            }
            Block::General if is(&["NetlinkBufferSizeMaxGrowth", "SocketBufferSizeMaxGrown"]) => {
                self.most_buffer_bytes = Some(number()?);
            }
            Block::General if is(&["NetlinkOverrunResync"]) => {
                self.overrun_seconds = match switch(value()?) {
                    Some(true) => None,
                    Some(false) => Some(None),
                    None => Some(Some(number()? as u32)),
                };
            }
            Block::Stats if is(&["LogFile"]) => {
                self.log = match switch(value()?) {
                    Some(true) => Some(DEFAULT_LOG.into()),
                    Some(false) => None,
                    None => Some(path(word, value()?)?),
                };
            }
            Block::Unix if is(&["Path"]) => self.socket = Some(path(word, value()?)?),
            Block::Unix if is(&["Backlog"]) => self.ignored.push((line, "Backlog".into())),
            Block::Protocol(policy) => {
                for word in words {
                    self.filter.protocols.add(policy, protocol(word)?)?;
                }
            }
            Block::Address(policy) if is(&["IPv4_address", "IPv6_address"]) => {
                let network = Prefix::parse(value()?).map_err(|why| format!("{word}: {why}"))?;
                self.filter.addresses.add(policy, network)?;
            }
            Block::State(policy) => {
                let names = words.split(|word| word.eq_ignore_ascii_case("for")).next();
                for word in names.unwrap_or_default() {
                    self.filter.states.add(policy, state(word)?)?;
                }
            }
            block => self.ignore(block, word, line)?,
        }
        Ok(())
    }
}

fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "yes" => Some(true),
        "off" | "no" => Some(false),
        _ => None,
    }
}

/// A path must be absolute, since a daemon has another working directory.
fn path(word: &str, value: &str) -> Result<PathBuf, String> {
    if value.starts_with('/') {
        Ok(value.into())
    } else {
        Err(format!("{word}: '{value}' is not an absolute path"))
    }
}

fn protocol(word: &str) -> Result<u8, String> {
    let name = word.to_ascii_lowercase();
    let number = Flow::protocol_number(name.as_bytes()).or_else(|| cli::digits(&name));
    number.ok_or_else(|| format!("Protocol: '{word}' is not a transport protocol"))
}

fn state(word: &str) -> Result<u8, String> {
    const TCP: u8 = 6;
    const NONE: u8 = 0;
    // conntrackd says CLOSED.
    let name = if word == "CLOSED" { "CLOSE" } else { word };
    let number = Flow::state_number(TCP, name.as_bytes()).filter(|state| *state != NONE);
    number.ok_or_else(|| format!("State: '{word}' is not a TCP state"))
}

/// The tokens of a text, with their line numbers. Quoted text is one word; `#` begins a comment.
fn tokens(text: &str) -> impl Iterator<Item = (usize, Result<Token<'_>, &'static str>)> {
    let (mut rest, mut line) = (text, 1);
    let mut is_ended = false;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r']);
            let Some(first) = rest.chars().next() else {
                // The last line may lack a line end.
                return (!std::mem::replace(&mut is_ended, true))
                    .then_some((line, Ok(Token::Line)));
            };
            let (length, token) = match first {
                '#' => {
                    rest = rest.find('\n').map_or("", |end| &rest[end..]);
                    continue;
                }
                '\n' => (1, Ok(Token::Line)),
                '{' => (1, Ok(Token::Open)),
                '}' => (1, Ok(Token::Close)),
                '"' => match rest[1..].find(['"', '\n']) {
                    Some(end) if rest[1 + end..].starts_with('"') => {
                        (end + 2, Ok(Token::Word(&rest[1..=end])))
                    }
                    _ => (rest.len(), Err("a quote is not closed")),
                },
                _ => {
                    let ends = |c: char| c.is_whitespace() || "{}#\"".contains(c);
                    let end = rest.find(ends).unwrap_or(rest.len()).max(first.len_utf8());
                    (end, Ok(Token::Word(&rest[..end])))
                }
            };
            rest = &rest[length..];
            let here = line;
            line += usize::from(first == '\n');
            return Some((here, token));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings in Debian's file.
    const DEBIAN: &str = "General {\n\tHashSize 8192\n\tHashLimit 65535\n\n\tSyslog on\n\n\
        \tLockFile /var/lock/conntrackd.lock\n\n\tUNIX {\n\t\tPath /var/run/conntrackd.sock\n\
        \t\tBacklog 20\n\t}\n\n\tSocketBufferSize 262142\n\tSocketBufferSizeMaxGrown 655355\n\n\
        \t# default debian service unit file is of Type=notify\n\tSystemd on\n}\n\n\
        Stats {\n\tLogFile on\n}\n";

    #[test]
    fn debians_file_is_understood() {
        let config = read(DEBIAN).unwrap();
        assert_eq!(config.socket, Some("/var/run/conntrackd.sock".into()));
        assert_eq!(config.lock, Some("/var/lock/conntrackd.lock".into()));
        assert_eq!(config.log, Some(DEFAULT_LOG.into()));
        assert_eq!(config.limit, Some(65535));
        assert_eq!([config.buffer_bytes, config.most_buffer_bytes], [Some(262_142), Some(655_355)]);
        let ignored: Vec<_> = config.ignored.iter().map(|(_, word)| word.as_str()).collect();
        assert_eq!(ignored, ["HashSize", "Syslog", "Backlog", "Systemd"]);
        assert_eq!(config.ignored[3].0, 18);
    }

    #[test]
    fn blocks_may_stand_on_one_line_and_replication_is_skipped() {
        let text = "Sync { Mode FTFW { ResendQueueSize 131072 }\n Multicast Default { X \"a } b\" } }\n\
            General { UNIX { Path \"/run/a b.sock\" } NetlinkOverrunResync off\n\
            Filter From Userspace { Protocol Accept { TCP UDP } # why\n\
            Address Ignore { IPv4_address 127.0.0.0/8 # lo\nIPv6_address ::1 }\n\
            State Accept {\nESTABLISHED CLOSED for TCP\n} } }";
        let config = read(text).unwrap();
        assert_eq!(config.socket, Some("/run/a b.sock".into()));
        assert_eq!(config.overrun_seconds, Some(None));
        assert_eq!(config.filter.protocols.members, [6, 17]);
        assert_eq!(config.filter.addresses.members.len(), 2);
        assert_eq!(config.filter.states.members, [3, 8]);
        assert_eq!(config.ignored, [(1, "Sync".to_owned())]);
        assert_eq!(read("").unwrap(), Config::default());
    }

    #[test]
    fn errors_name_their_line() {
        for (text, line, reason) in [
            ("General {\n  HashLimt 5\n}", 2, "no such keyword here: HashLimt"),
            ("\n\nFoo {\n}", 3, "no such keyword here: Foo"),
            ("General {\n", 2, "'{' without a matching '}'"),
            ("}\n", 1, "'}' without a matching '{'"),
            ("{\n}", 1, "'{' without a keyword"),
            ("General {\nHashLimit\n}", 2, "HashLimit: needs a value"),
            ("General {\nHashLimit many\n}", 2, "HashLimit: 'many' is not a number"),
            ("General {\nLockFile x\n}", 2, "LockFile: 'x' is not an absolute path"),
            ("General {\nLockFile \"x\n}", 2, "a quote is not closed"),
            ("General { Filter {\nProtocol Maybe {\n", 2, "Protocol: needs Accept or Ignore"),
            (
                "General { Filter {\nProtocol Accept {\nFOO\n",
                3,
                "Protocol: 'FOO' is not a transport protocol",
            ),
            ("General { Filter {\nState Accept {\nNONE\n", 3, "State: 'NONE' is not a TCP state"),
            (
                "General { Filter { Address Ignore {\nIPv4_address x\n",
                2,
                "IPv4_address: not an IP address",
            ),
        ] {
            assert_eq!(read(text), Err((line, reason.to_owned())), "{text}");
        }
    }
}
