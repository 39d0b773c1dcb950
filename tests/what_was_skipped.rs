//! Tells in one line what the test programs before this one have skipped: cargo runs them by name, this one
//! as the last.
#![allow(clippy::print_stdout)]

#[path = "support/needs.rs"]
mod needs;

fn main() {
    // Whoever asks for the names of tests shall see none here.
    if !std::env::args().any(|argument| argument == "--list") {
        println!("\n{}", needs::Record::own().close());
    }
}
