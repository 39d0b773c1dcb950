//! `tcptrack -T` on captures that the tests make: damaged ones, those with numbers that surprise, and those with
//! headers before the IP header.

mod around;
mod cut;
mod damage;
mod drops;
mod fragments;
mod headers;
mod made;
mod nothing;
mod numbers;
