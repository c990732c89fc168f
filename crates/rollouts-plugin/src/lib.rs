//! The SDK for Argo Rollouts metric plugins.
