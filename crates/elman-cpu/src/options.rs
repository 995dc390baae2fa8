//! Options of a scan.

/// Options of a scan; the default is the plain recurrence.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScanOptions<'a> {
    /// The projection `W`, `[P, H]`: the hidden state is `W y` for a cell output `y` (Sak et al. 2014).
    pub projection: Option<&'a [f32]>,
    /// Layer normalization of the recurrent product.
    pub norm: Option<LayerNorm<'a>>,
    /// Recurrent dropout: the hidden state is multiplied by this mask `[B, P]` before the recurrent product, the same
    /// mask at every time step (Gal & Ghahramani 2016).
    pub dropout: Option<&'a [f32]>,
    /// Zoneout (Krueger et al. 2017).
    pub zoneout: Option<Zoneout<'a>>,
}

/// Layer normalization of the recurrent product before its bias is added (Ba et al. 2016, eq. 20):
/// `gain · (v − mean) / deviation`, with the mean and standard deviation of all gates of a row. Candidate gates are
/// normalized separately, because their product is computed later.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// `[G·H]`
    pub gain: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// `z · old + (1 − z) · new`: `z` is the fraction of the old state that is kept.
#[derive(Clone, Copy, Debug)]
pub enum Zoneout<'a> {
    /// `z` of every element, in the layout of the states: zeros and ones in training.
    Masks(&'a [f32]),
    /// `z` of the hidden state and of the second state: the zoneout probabilities, in inference.
    Rates([f32; 2]),
}
