//! `ss -s`: its numbers become those of the kernel's files from which ss has calculated them.

use super::Text;
use crate::error::Error;
use crate::source::files::lines::Place;
use crate::source::files::record::{Each, Record};
use crate::source::files::tables::Doubts;
use crate::wire::saved::ss_summary::{Line, Tcp, read};

#[derive(Default)]
pub(super) struct Summary {
    total: Option<u64>,
    tcp: Option<Tcp>,
    /// The TCP sockets in use, by family.
    inuse: Option<[u64; 2]>,
}

impl Text for Summary {
    fn line(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
        let Some(line) = read(line) else { return Ok(false) };
        let is_new = match line {
            Line::Total(total) => self.total.replace(total).is_none(),
            Line::Tcp(tcp) => self.tcp.replace(tcp).is_none(),
            Line::Row(b"TCP", inuse) => self.inuse.replace(inuse).is_none(),
            // A sum.
            Line::Row(b"INET", _) | Line::Other => true,
            Line::Row(protocol, [inet, inet6]) => {
                count(place, protocol, &format!(" inuse {inet}"), each)?;
                count(place, &[protocol, b"6"].concat(), &format!(" inuse {inet6}"), each)?;
                true
            }
        };
        Ok(is_new)
    }

    fn end(&mut self, place: Place<'_>, each: &mut Each<'_>) -> Result<Doubts, Error> {
        if let Some(total) = self.total {
            count(place, b"sockets", &format!(" used {total}"), each)?;
        }
        let mut tcp = String::new();
        if let Some(counts) = self.tcp {
            const WRONG: &str = "the numbers of TCP in this text of ss -s contradict each other";
            let alloc = counts.alloc().ok_or_else(|| place.error(WRONG))?;
            if let Some([inet, inet6]) = self.inuse {
                let sums = [alloc, counts.timewait, inet, inet6].map(i128::from);
                let [alloc, tw, inet, inet6] = sums;
                if alloc - (inet + inet6 - tw) != i128::from(counts.closed) {
                    return Err(place.error(WRONG));
                }
            }
            let Tcp { orphaned, timewait, estab, .. } = counts;
            tcp = format!(" orphan {orphaned} tw {timewait} alloc {alloc}");
            let estab = format!(" {estab}");
            let (names, values) = (&b" CurrEstab"[..], estab.as_bytes());
            each(place, Record::Mib { group: b"Tcp", names, values })?;
        }
        if let Some([inet, inet6]) = self.inuse {
            tcp += &format!(" inuse {inet}");
            count(place, b"TCP6", &format!(" inuse {inet6}"), each)?;
        }
        if !tcp.is_empty() {
            count(place, b"TCP", &tcp, each)?;
        }
        Ok(Doubts::default())
    }
}

fn count(
    place: Place<'_>,
    protocol: &[u8],
    fields: &str,
    each: &mut Each<'_>,
) -> Result<(), Error> {
    each(place, Record::Counts { protocol, fields: fields.as_bytes() })
}
