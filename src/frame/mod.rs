//! What runs the applets: what each of them is, one run of one of them, its table, and what it says.

mod applet;
mod call;
mod report;
mod table;

pub use applet::{Applet, Example};
pub use call::Call;
pub(crate) use call::moment;
pub use report::{Report, Say};
pub use table::{MEANING, SCOPE, SOURCE, Sample, Table};
