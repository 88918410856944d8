//! A reference to a configuration that connections share.

#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;

use crate::Config;

/// A reference to a [`Config`] that connections share: `&'static Config` or `Arc<Config>`.
///
/// Both convert into it with `into()`, and so does a `Config` by value, which moves into an `Arc`.
/// Targets without atomic pointers have only `&'static Config`.
#[derive(Clone, Debug)]
pub struct SharedConfig(ConfigRef);

#[derive(Clone, Debug)]
enum ConfigRef {
    Static(&'static Config),
    #[cfg(target_has_atomic = "ptr")]
    Shared(Arc<Config>),
}

impl core::ops::Deref for SharedConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        match &self.0 {
            ConfigRef::Static(config) => config,
            #[cfg(target_has_atomic = "ptr")]
            ConfigRef::Shared(config) => config,
        }
    }
}

impl From<&'static Config> for SharedConfig {
    fn from(config: &'static Config) -> Self {
        Self(ConfigRef::Static(config))
    }
}

#[cfg(target_has_atomic = "ptr")]
impl From<Arc<Config>> for SharedConfig {
    fn from(config: Arc<Config>) -> Self {
        Self(ConfigRef::Shared(config))
    }
}

#[cfg(target_has_atomic = "ptr")]
impl From<&Arc<Config>> for SharedConfig {
    fn from(config: &Arc<Config>) -> Self {
        Self(ConfigRef::Shared(Arc::clone(config)))
    }
}

#[cfg(target_has_atomic = "ptr")]
impl From<Config> for SharedConfig {
    fn from(config: Config) -> Self {
        Self(ConfigRef::Shared(Arc::new(config)))
    }
}
