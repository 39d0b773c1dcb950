//! What follows from facts over time. Pure: the clock comes in as an argument.

pub mod flows;
mod indexed;
mod listeners;
mod rates;
pub mod tcp;
mod window;

pub use flows::Flows;
pub use listeners::Listeners;
pub use rates::Rates;
pub use window::Window;
