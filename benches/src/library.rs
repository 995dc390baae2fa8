use serde::Serialize;

/// A library that elman is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Library {
    BurnNn,
    Torch,
    #[serde(rename = "onnxruntime")]
    OnnxRuntime,
}

impl Library {
    /// Column name in the table.
    pub const fn column(self) -> &'static str {
        match self {
            Self::BurnNn => "burn-nn",
            Self::Torch => "torch",
            Self::OnnxRuntime => "ort",
        }
    }

    /// Display name.
    pub const fn title(self) -> &'static str {
        match self {
            Self::BurnNn => "burn-nn",
            Self::Torch => "PyTorch",
            Self::OnnxRuntime => "ONNX Runtime",
        }
    }
}
