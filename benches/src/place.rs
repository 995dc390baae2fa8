use elman::DeviceInfo;
use serde::{Deserialize, Serialize};

/// Where a peer is asked to compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// What PyTorch calls it: `cpu`, `cuda`, `cuda:1`, `mps`.
    pub device: String,
    /// What its driver calls the card, where its number is not known.
    pub card: Option<String>,
}

impl Wanted {
    /// The same piece of hardware that elman's device is, unless another was asked for.
    pub fn beside(device: &DeviceInfo, asked: Option<&str>) -> Self {
        let index = device.name.split_once(':').map_or("0", |(_, index)| index);
        let (device, card) = match (asked, device.hardware_gpu, device.backend) {
            (Some(asked), ..) => (asked.to_owned(), None),
            (None, false, _) => ("cpu".into(), None),
            // both libraries count the driver's cards
            (None, true, "cuda" | "rocm") => (format!("cuda:{index}"), None),
            (None, true, "metal") => ("mps".into(), None),
            (None, true, _) => ("cuda".into(), Some(device.description.clone())),
        };
        Self { device, card }
    }

    pub fn is_processor(&self) -> bool {
        self.device == "cpu"
    }

    pub fn arguments(&self) -> Vec<String> {
        let card = self.card.iter().map(|card| format!("--card={card}"));
        [format!("--device={}", self.device)].into_iter().chain(card).collect()
    }
}

/// Where a peer says that it computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// As PyTorch calls it.
    pub device: String,
    /// The graphics card's name.
    #[serde(default)]
    pub card: Option<String>,
    /// The library of its kernels and the version of that.
    #[serde(default)]
    pub kernels: Option<String>,
    /// Whether they round the factors of their products to TF32, 10 bits of mantissa.
    #[serde(default)]
    pub tf32: Option<bool>,
}

impl Place {
    /// For people: `cuda:0, NVIDIA H100, cuDNN 91002, TF32`.
    pub fn describe(&self) -> String {
        let tf32 = (self.tf32 == Some(true)).then(|| "TF32".to_owned());
        let parts = [self.card.clone(), self.kernels.clone(), tf32];
        parts.into_iter().flatten().fold(self.device.clone(), |all, part| all + ", " + &part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, backend: &'static str, hardware_gpu: bool, asked: Option<&str>) -> (String, Option<String>) {
        let device = elman::devices()[0].device.clone();
        let info = DeviceInfo { name: name.into(), backend, description: "A Card".into(), hardware_gpu, device };
        let Wanted { device, card } = Wanted::beside(&info, asked);
        (device, card)
    }

    #[test]
    fn a_peer_computes_on_the_same_hardware() {
        let on = |device: &str| (device.to_owned(), None);
        assert_eq!(wanted("flex", "flex", false, None), on("cpu"));
        assert_eq!(wanted("wgpu:0", "wgpu", false, None), on("cpu"), "a driver in software is the processor");
        assert_eq!(wanted("cuda:1", "cuda", true, None), on("cuda:1"));
        assert_eq!(wanted("rocm:0", "rocm", true, None), on("cuda:0"));
        assert_eq!(wanted("metal:0", "metal", true, None), on("mps"));
        assert_eq!(wanted("vulkan:1", "vulkan", true, None), ("cuda".into(), Some("A Card".into())));
        assert_eq!(wanted("vulkan:1", "vulkan", true, Some("cpu")), on("cpu"));
    }

    #[test]
    fn a_script_is_told_the_cards_name_where_its_number_is_not_known() {
        let wanted = Wanted { device: "cuda".into(), card: Some("A Card".into()) };
        assert_eq!(wanted.arguments(), ["--device=cuda", "--card=A Card"]);
        assert!(!wanted.is_processor());
    }

    #[test]
    fn a_place_is_described_in_a_line() {
        let place: Place = serde_json::from_str(r#"{"device": "cpu"}"#).unwrap();
        assert_eq!(place.describe(), "cpu");
        let card = r#"{"device": "cuda:0", "card": "A Card", "kernels": "cuDNN 9", "tf32": true}"#;
        let place: Place = serde_json::from_str(card).unwrap();
        assert_eq!(place.describe(), "cuda:0, A Card, cuDNN 9, TF32");
    }
}
