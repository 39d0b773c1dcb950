//! What follows from facts over time. Pure: the clock comes in as an argument.

mod rates;
pub mod tcp;

pub use rates::Rates;
