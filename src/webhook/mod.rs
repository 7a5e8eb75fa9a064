//! webhook

pub mod tls;
