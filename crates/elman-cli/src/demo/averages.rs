//! The average hidden state after each word, over all of its occurrences.

use elman::{
    lm::{self, LanguageModel},
    recurrence::Sequence,
    text::Tokens,
};

/// Words per forward pass; bounds memory.
const WINDOW: usize = 512;

/// The mean hidden state of the last layer after each of the tokens `ids`. The text is read as one stream, with the
/// state carried over from window to window.
///
/// # Shapes
/// Returns one vector of `d_hidden` values per id; zeros for a token that does not occur.
///
/// # Errors
/// If the text has a token beyond the model's vocabulary.
pub fn average_states(model: &LanguageModel, text: &Tokens, ids: &[u32]) -> Result<Vec<Vec<f64>>, lm::LmError> {
    let config = model.config();
    let mut sums = vec![vec![0.0; config.d_hidden]; config.vocabulary];
    let mut counts = vec![0.0; config.vocabulary];
    let mut state = None;
    for start in (0..text.len()).step_by(WINDOW) {
        let window: Vec<u32> = text.slice(start, text.len().min(start + WINDOW)).collect();
        let tokens = model.tokens(&window, [1, window.len()])?;
        let output = model.hidden(tokens, Sequence::new().with_state(state).with_all_states());
        let layers = output.all_states.expect("all states were requested");
        let hidden = layers.last().expect("a network has a layer").hidden();
        let states: Vec<f32> = hidden.into_data().iter::<f32>().collect();
        state = Some(output.state);
        for (id, hidden) in window.iter().zip(states.chunks_exact(config.d_hidden)) {
            counts[*id as usize] += 1.0;
            sums[*id as usize].iter_mut().zip(hidden).for_each(|(sum, h)| *sum += f64::from(*h));
        }
    }
    let average = |id: &u32| {
        let count = f64::max(counts[*id as usize], 1.0);
        sums[*id as usize].iter().map(|sum| sum / count).collect()
    };
    Ok(ids.iter().map(average).collect())
}

#[cfg(test)]
mod tests {
    use elman::{burn::tensor::Device, lm::LanguageModelConfig};

    use super::*;

    #[test]
    fn states_are_carried_over_windows_and_averaged() {
        let device = elman::device("auto").unwrap_or_else(|_| Device::default());
        device.seed(3);
        let config = LanguageModelConfig { d_embed: 4, d_hidden: 5, layers: 1, ..LanguageModelConfig::new(4) };
        let model = config.init(&device).unwrap();
        // longer than a window; token 3 never occurs
        let ids: Vec<u32> = (0..WINDOW as u32 + 90).map(|n| n * n % 3).collect();
        let found = average_states(&model, &Tokens::from_ids(&ids, 0, 0), &[1, 0, 3]).unwrap();
        let whole = model.hidden(model.tokens(&ids, [1, ids.len()]).unwrap(), Sequence::new().with_all_states());
        let states: Vec<f32> = whole.all_states.unwrap()[0].hidden().into_data().iter::<f32>().collect();
        for (token, average) in [(1, &found[0]), (0, &found[1])] {
            let positions: Vec<usize> = (0..ids.len()).filter(|n| ids[*n] == token).collect();
            for (unit, value) in average.iter().enumerate() {
                let sum: f64 = positions.iter().map(|n| f64::from(states[n * 5 + unit])).sum();
                assert!((value - sum / positions.len() as f64).abs() < 1e-6);
            }
        }
        assert_eq!(found[2], [0.0; 5]);
    }
}
