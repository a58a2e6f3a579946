//! The configuration: as written (`raw`), as checked (`ready`), and every problem on the way (`problem`).

pub mod ready;
