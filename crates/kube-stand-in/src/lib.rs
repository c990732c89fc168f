//! A small local stand-in of the Kubernetes API.
