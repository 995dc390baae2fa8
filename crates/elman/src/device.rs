//! Devices by name, for the backends that Cargo features compile in.

use burn::tensor::{Device, DeviceType};

/// A device that this build can use on this machine.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// The name that [`device`] and the command line's `--device` accept: `flex`, `wgpu:0`.
    pub name: String,
    /// The backend's Cargo feature.
    pub backend: &'static str,
    /// The driver's name of the device, or a short description.
    pub description: String,
    /// Whether it is a hardware GPU, and not a CPU or a software driver that runs on one.
    pub hardware_gpu: bool,
    /// The device, without autodiff.
    pub device: Device,
}

/// An error of [`device`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No backend has that name.
    #[error("unknown device '{name}': expected auto, or one of {known} with an optional index, as in wgpu:1")]
    Unknown {
        /// The requested name.
        name: String,
        /// The names of all backends.
        known: String,
    },
    /// The backend's Cargo feature is disabled.
    #[error("the device '{name}' is not compiled in: build with `--features {feature}` (this build has {compiled})")]
    NotCompiled {
        /// The requested name.
        name: String,
        /// The Cargo feature that enables the backend.
        feature: String,
        /// The backends that this build has.
        compiled: String,
    },
    /// The backend has no device with that index.
    #[error("no device '{name}': {backend} finds {found} on this machine")]
    Absent {
        /// The requested name.
        name: String,
        /// The backend.
        backend: &'static str,
        /// The number of devices that it has.
        found: usize,
    },
    /// No backend is compiled in.
    #[error("no backend is compiled in: enable one of the features {known}")]
    NoBackend {
        /// The names of all backends.
        known: String,
    },
}

/// The names of all backends, in the order in which `auto` prefers them: GPUs first.
const BACKENDS: [&str; 8] = ["cuda", "rocm", "metal", "vulkan", "wgpu", "webgpu", "flex", "ndarray"];

/// The devices of one backend; `None` if it is not compiled in.
fn enumerate(backend: &str) -> Option<Vec<Device>> {
    let kind: Option<DeviceType> = match backend {
        #[cfg(feature = "cuda")]
        "cuda" => Some(DeviceType::Cuda),
        #[cfg(feature = "rocm")]
        "rocm" => Some(DeviceType::Rocm),
        #[cfg(feature = "metal")]
        "metal" => Some(DeviceType::Metal),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(DeviceType::Vulkan),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(DeviceType::Wgpu),
        #[cfg(feature = "webgpu")]
        "webgpu" => Some(DeviceType::WebGpu),
        #[cfg(feature = "flex")]
        "flex" => Some(DeviceType::Flex),
        #[cfg(feature = "ndarray")]
        "ndarray" => Some(DeviceType::NdArray),
        _ => None,
    };
    kind.map(|kind| Device::enumerate(kind).into_vec())
}

fn describe(backend: &'static str, index: usize, device: Device) -> DeviceInfo {
    let (name, description, hardware_gpu) = match backend {
        "flex" => (backend.into(), "CPU, burn's Flex backend".into(), false),
        "ndarray" => (backend.into(), "CPU, burn's NdArray backend".into(), false),
        _ => {
            let (description, hardware) = identify(&device);
            (format!("{backend}:{index}"), description, hardware)
        }
    };
    DeviceInfo { name, backend, description, hardware_gpu, device }
}

#[cfg(any(
    feature = "wgpu",
    feature = "vulkan",
    feature = "metal",
    feature = "webgpu",
    feature = "cuda",
    feature = "rocm"
))]
fn identify(device: &Device) -> (String, bool) {
    match device.identity() {
        Some(identity) if identity.physical.is_some() => (identity.name, true),
        Some(identity) => (format!("{} (software)", identity.name), false),
        None => (format!("{device:?}"), false),
    }
}

#[cfg(not(any(
    feature = "wgpu",
    feature = "vulkan",
    feature = "metal",
    feature = "webgpu",
    feature = "cuda",
    feature = "rocm"
)))]
fn identify(device: &Device) -> (String, bool) {
    (format!("{device:?}"), false)
}

/// All devices that this build can use on this machine, in the order in which `auto` prefers them. Opens each of them.
pub fn devices() -> Vec<DeviceInfo> {
    let devices_of = |backend: &'static str| {
        let devices = enumerate(backend).unwrap_or_default();
        devices.into_iter().enumerate().map(move |(i, d)| describe(backend, i, d))
    };
    BACKENDS.into_iter().flat_map(devices_of).collect()
}

/// Opens a device by name: `auto`, a backend's name for its first device, or `backend:N`.
///
/// `auto` is a GPU if a GPU backend is compiled in and finds one, else the CPU.
///
/// # Errors
/// [`DeviceError`] for a name that is unknown, not compiled in or not present. The message lists valid names.
///
/// ```
/// let device = elman::device("auto")?;
/// assert!(elman::device("abacus").is_err());
/// # Ok::<(), elman::DeviceError>(())
/// ```
pub fn device(name: &str) -> Result<Device, DeviceError> {
    if name == "auto" {
        let all = devices();
        let best = all.iter().find(|d| d.hardware_gpu).or_else(|| all.iter().find(|d| !d.name.contains(':')));
        let best = best.or(all.first());
        return best.map(|d| d.device.clone()).ok_or_else(|| DeviceError::NoBackend { known: BACKENDS.join(", ") });
    }
    let unknown = || DeviceError::Unknown { name: name.into(), known: BACKENDS.join(", ") };
    let (backend, index) = match name.split_once(':') {
        None => (name, 0),
        Some((backend, index)) => (backend, index.parse::<usize>().map_err(|_| unknown())?),
    };
    let backend = BACKENDS.into_iter().find(|b| *b == backend).ok_or_else(unknown)?;
    let Some(devices) = enumerate(backend) else {
        let compiled: Vec<&str> = BACKENDS.into_iter().filter(|b| enumerate(b).is_some()).collect();
        let compiled = if compiled.is_empty() { "none".into() } else { compiled.join(", ") };
        return Err(DeviceError::NotCompiled { name: name.into(), feature: backend.into(), compiled });
    };
    let found = devices.len();
    devices.into_iter().nth(index).ok_or(DeviceError::Absent { name: name.into(), backend, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_device_opens_by_name() {
        let all = devices();
        assert!(!all.is_empty());
        for info in all {
            assert_eq!(device(&info.name), Ok(info.device));
        }
    }

    #[test]
    fn auto_prefers_hardware_and_falls_back_to_the_cpu() {
        let chosen = device("auto").expect("a backend is compiled in");
        let all = devices();
        let expected = all.iter().find(|d| d.hardware_gpu).or_else(|| all.iter().find(|d| d.backend == "flex"));
        if let Some(expected) = expected {
            assert_eq!(chosen, expected.device);
        }
    }

    #[test]
    fn errors_name_valid_devices() {
        let message = |name| device(name).expect_err("must fail").to_string();
        assert!(message("gpu").contains("expected auto, or one of cuda"));
        assert!(message("wgpu:x").contains("as in wgpu:1"));
        #[cfg(not(feature = "cuda"))]
        assert!(message("cuda:0").starts_with("the device 'cuda:0' is not compiled in: build with `--features cuda`"));
        #[cfg(feature = "flex")]
        assert_eq!(message("flex:3"), "no device 'flex:3': flex finds 1 on this machine");
    }
}
