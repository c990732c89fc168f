//! The judge as its users see it: logs and pod states in, a judgement out.

mod carrying;
mod gates;
mod lessons;
mod occasions;
mod other_gates;
mod properties;
mod scene;
mod unfamiliar;
mod vetoes;
