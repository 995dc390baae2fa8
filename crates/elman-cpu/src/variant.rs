//! What a walk does besides the plain recurrence.

/// The variants of a recurrence; none of them unless it is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScanOptions<'a> {
    /// The projection, `[P, H]`: the hidden state is `W h` of what the cell gives (Sak et al. 2014).
    pub projection: Option<&'a [f32]>,
    /// Layer normalisation of the recurrent product.
    pub norm: Option<LayerNorm<'a>>,
    /// Recurrent dropout: the hidden state is multiplied with `[B, P]` before the recurrent product, the same at every time
    /// step (Gal & Ghahramani 2016).
    pub dropout: Option<&'a [f32]>,
    /// Zoneout (Krueger et al. 2017).
    pub zoneout: Option<Zoneout<'a>>,
}

/// Layer normalisation of the recurrent product before its bias (Ba et al. 2016, eq. 20): `gain · (v − mean) / deviation`,
/// the mean and the deviation those of a row's gates; of the late gates by themselves, since they are multiplied later.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// `[G·H]`
    pub gain: &'a [f32],
    /// What is added to the variance.
    pub epsilon: f32,
}

/// `z · before + (1 − z) · after`: how much of each state stays as it was.
#[derive(Clone, Copy, Debug)]
pub enum Zoneout<'a> {
    /// `z` of every element, in the layout of the states: zeros and ones in training.
    Masks(&'a [f32]),
    /// `z` of the hidden state and of the other one: their probabilities, in inference.
    Rates([f32; 2]),
}
