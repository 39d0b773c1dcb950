//! The names that an expression may contain.

/// Where names are looked up.
pub trait Names {
    /// The port of a service of TCP.
    fn port(&self, name: &[u8]) -> Option<u16>;

    /// What stands beside a name in /etc/hosts, /etc/networks or /etc/protocols.
    fn listed(&self, _file: &'static str, _name: &[u8]) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

impl<F: Fn(&[u8]) -> Option<u16>> Names for F {
    fn port(&self, name: &[u8]) -> Option<u16> {
        self(name)
    }
}
