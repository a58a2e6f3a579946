//! Tests with real sockets.
