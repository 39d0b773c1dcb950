//! Prints one line about what the earlier test programs skipped: cargo runs them in the order of their names,
//! so this one is the last.
#![allow(clippy::print_stdout)]

#[path = "support/needs.rs"]
mod needs;

fn main() {
    // When the names of tests are listed, this line must not be among them.
    if !std::env::args().any(|argument| argument == "--list") {
        println!("\n{}", needs::Record::own().close());
    }
}
