use std::str::FromStr;

use elman::{
    burn::tensor::{DType, Device, FloatDType},
    layers::{cpu::is_cpu, device::is_cube},
    recurrence::{CellKind, NetworkConfig, packed::WeightDtype},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};

use crate::{case::Case, error::BenchError};

/// A way to run a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub name: &'static str,
    /// Whether the rows of a batch have different lengths.
    ragged: bool,
    work: Work,
    /// Storage dtype of input and parameters.
    stored: FloatDType,
    /// Derives the variant's layer from the plain one; `None` if the cell lacks the variant.
    configure: fn(NetworkConfig) -> Option<NetworkConfig>,
}

/// The work that is timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// Both passes, on tensors.
    Run,
    /// Forward with prepacked weights, on a CPU.
    Packed(WeightDtype),
    /// Only reads the packed weights once per time step: a lower bound for a recurrence with one row.
    ReadWeights,
}

/// Every variant. The peers' scripts list the names that they support; the others are timed without peers.
pub(crate) const VARIANTS: &[Variant] = &[
    Variant::PLAIN,
    Variant { name: "ragged", ragged: true, ..Variant::PLAIN },
    Variant { name: "bidirectional", configure: |layer| Some(layer.with_bidirectional(true)), ..Variant::PLAIN },
    Variant { name: "layer-norm", configure: |layer| recurrent_only(layer.with_layer_norm(true)), ..Variant::PLAIN },
    Variant {
        name: "dropout",
        configure: |layer| recurrent_only(layer.with_recurrent_dropout(0.25)),
        ..Variant::PLAIN
    },
    Variant { name: "zoneout", configure: |layer| recurrent_only(layer.with_zoneout(0.1, 0.1)), ..Variant::PLAIN },
    Variant { name: "recompute", configure: |layer| recurrent_only(layer.with_recompute(true)), ..Variant::PLAIN },
    Variant { name: "f16", stored: FloatDType::F16, ..Variant::PLAIN },
    Variant { name: "bf16", stored: FloatDType::BF16, ..Variant::PLAIN },
    Variant { name: "packed", work: Work::Packed(WeightDtype::F32), ..Variant::PLAIN },
    Variant { name: "packed-bf16", work: Work::Packed(WeightDtype::Bf16), ..Variant::PLAIN },
    Variant { name: "packed-int8", work: Work::Packed(WeightDtype::Int8), ..Variant::PLAIN },
    Variant { name: "read-weights", work: Work::ReadWeights, ..Variant::PLAIN },
];

/// Variants of cells with recurrent weights, other than the Elman network.
fn recurrent_only(layer: NetworkConfig) -> Option<NetworkConfig> {
    matches!(layer.cell, CellKind::Rnn | CellKind::Gru | CellKind::Lstm).then_some(layer)
}

/// A layer and the input it is timed on.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub case: Case,
    pub variant: &'static str,
    pub layer: NetworkConfig,
    pub work: Work,
    pub stored: FloatDType,
    /// Length of each row of a ragged batch.
    pub lengths: Option<Vec<usize>>,
}

impl Variant {
    /// The baseline: one direction, biases, rows of equal length.
    pub const PLAIN: Self =
        Self { name: "plain", ragged: false, work: Work::Run, stored: FloatDType::F32, configure: Some };

    /// This variant of a cell's layer; `None` if the cell lacks it.
    pub fn problem(&self, cell: CellKind, case: Case) -> Option<Problem> {
        let layer = (self.configure)(NetworkConfig::new(cell, case.d_input, case.d_hidden))?;
        let lengths = self.ragged.then(|| lengths(case));
        Some(Problem { case, variant: self.name, layer, work: self.work, stored: self.stored, lengths })
    }
}

impl FromStr for Variant {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        let variant = VARIANTS.iter().find(|variant| variant.name == name).copied();
        variant.ok_or_else(|| BenchError::Variant {
            found: name.into(),
            known: VARIANTS.iter().map(|variant| variant.name).collect::<Vec<_>>().join(", "),
        })
    }
}

/// Uniform in `1..=time`, with a fixed seed.
fn lengths(case: Case) -> Vec<usize> {
    let mut rng = ChaCha12Rng::seed_from_u64(0);
    (0..case.batch).map(|_| rng.random_range(1..=case.time)).collect()
}

impl Problem {
    /// The variant that peers run for comparison; `None` if they do not take part.
    pub fn peers_name(&self) -> Option<&'static str> {
        match self.work {
            Work::Run => Some(self.variant),
            Work::Packed(_) => Some(Variant::PLAIN.name),
            Work::ReadWeights => None,
        }
    }

    /// Whether the device supports the work and the dtype.
    pub fn fits(&self, device: &Device) -> bool {
        (self.work == Work::Run || is_cpu(device))
            && (self.stored == FloatDType::F32 || (is_cube(device) && device.supports_dtype(DType::from(self.stored))))
    }

    /// Time steps computed, summed over all rows.
    pub fn steps(&self) -> usize {
        self.lengths.as_ref().map_or(self.case.batch * self.case.time, |lengths| lengths.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_are_unique() {
        for variant in VARIANTS {
            assert_eq!(variant.name.parse::<Variant>().unwrap().name, variant.name);
            assert_eq!(VARIANTS.iter().filter(|other| other.name == variant.name).count(), 1);
        }
        let error = "raged".parse::<Variant>().unwrap_err().to_string();
        assert!(error.starts_with("unknown variant 'raged': expected plain, ragged, "), "{error}");
    }

    #[test]
    fn lengths_cover_the_time_axis_and_are_reproducible() {
        let case = Case::square(500, 8, 1);
        let lengths = lengths(case);
        assert!((1..=8).all(|length| (30..=100).contains(&lengths.iter().filter(|l| **l == length).count())));
        let ragged: Variant = "ragged".parse().unwrap();
        let problem = ragged.problem(CellKind::Gru, case).unwrap();
        assert_eq!((problem.steps(), problem.lengths), (lengths.iter().sum(), Some(lengths)));
    }

    #[test]
    fn variant_may_be_specific_to_one_cell() {
        let lstm_only: fn(NetworkConfig) -> Option<_> = |layer| (layer.cell == CellKind::Lstm).then_some(layer);
        let variant = Variant { name: "lstm-only", configure: lstm_only, ..Variant::PLAIN };
        let has = |cell| variant.problem(cell, Case::square(2, 3, 4)).is_some();
        assert!(has(CellKind::Lstm) && !has(CellKind::Gru));
    }

    #[test]
    fn plain_comes_first_and_applies_to_all_cells() {
        assert_eq!(VARIANTS[0].name, Variant::PLAIN.name);
        for cell in CellKind::ALL {
            let problem = Variant::PLAIN.problem(cell, Case::square(2, 3, 4)).unwrap();
            assert_eq!((problem.steps(), problem.layer), (6, NetworkConfig::new(cell, 4, 4)));
        }
    }
}
