//! The options of pcapng's blocks, and what they tell of lost packets.

/// The options at the end of a block: kind and value, up to one that does not fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'a> {
    pub rest: &'a [u8],
    pub is_big_endian: bool,
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        const END: u16 = 0;
        let (&[a, b, c, d], rest) = self.rest.split_first_chunk()?;
        let [kind, length] = [[a, b], [c, d]].map(|two| match self.is_big_endian {
            true => u16::from_be_bytes(two),
            false => u16::from_le_bytes(two),
        });
        let length = usize::from(length);
        let value = rest.get(..length).filter(|_| kind != END)?;
        self.rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

impl Options<'_> {
    /// The sum of the numbers of these kinds, if there is one.
    fn sum(self, kinds: &[u16]) -> Option<u64> {
        let is_big_endian = self.is_big_endian;
        let number = |(kind, value): (u16, &[u8])| {
            let bytes = *value.first_chunk().filter(|_| kinds.contains(&kind))?;
            Some(if is_big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
        };
        self.filter_map(number).reduce(u64::saturating_add)
    }
}

/// The packets of an interface that were lost while a file was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drops {
    /// Since the beginning, as the last statistics say.
    in_all: u64,
    /// The sum of those between two packets.
    between: u64,
}

impl Drops {
    /// Takes the options of an interface statistics block.
    pub(super) fn take_statistics(&mut self, options: Options<'_>) {
        /// isb_ifdrop and isb_osdrop.
        const KINDS: [u16; 2] = [5, 7];
        self.in_all = options.sum(&KINDS).unwrap_or(self.in_all);
    }

    /// Takes the options of a packet.
    pub(super) fn take_packet(&mut self, options: Options<'_>) {
        /// epb_dropcount.
        const KINDS: [u16; 1] = [4];
        self.between = self.between.saturating_add(options.sum(&KINDS).unwrap_or_default());
    }

    /// How many there are. A file may count each in both ways.
    pub(super) fn count(self) -> u64 {
        self.in_all.max(self.between)
    }
}
