use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
use rayon::prelude::*;

/// Elements that share a random stream: what one thread draws at a time.
const CHUNK: usize = 1 << 14;

/// Elements times a mask that is 0 with the given probability `p` and else `1/(1 − p)`.
///
/// The mask depends on the seed, the probability and the elements' places alone, so a backward pass draws it once more
/// rather than remembering it. Each [`CHUNK`] has a stream of its own: threads draw at the same time, and their number
/// makes no difference.
pub fn masked(seed: u64, probability: f64, x: &[f32]) -> Vec<f32> {
    let keep = 1.0 - probability;
    let scale = (1.0 / keep) as f32;
    // 32 random bits are below this with the probability of keeping, to within 2⁻³³.
    let below = (keep * 2f64.powi(32)).round() as u64;
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).enumerate().for_each(|(chunk, (y, x))| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(chunk as u64));
        for (y, x) in y.chunks_mut(2).zip(x.chunks(2)) {
            let bits = random.next_u64();
            for ((y, x), bits) in y.iter_mut().zip(x).zip([bits >> 32, bits & u64::from(u32::MAX)]) {
                // a product, so that what is not finite is not hidden
                *y = x * if bits < below { scale } else { 0.0 };
            }
        }
    });
    y
}

#[cfg(test)]
mod tests {
    use rayon::ThreadPoolBuilder;

    use super::*;

    /// Not a whole number of chunks, nor even.
    const ODD: usize = 5 * CHUNK / 2 + 1;

    #[test]
    fn the_share_of_zeros_is_the_probability_and_the_rest_is_scaled() {
        for probability in [0.001, 0.1, 0.5, 0.9] {
            let mask = masked(1, probability, &[1.0; ODD]);
            let scale = (1.0 / (1.0 - probability)) as f32;
            assert!(mask.iter().all(|&m| m == 0.0 || m == scale), "{probability}: scale");
            // The number of zeros is binomial; six standard deviations are left to chance.
            let zeros = mask.iter().filter(|&&m| m == 0.0).count() as f64;
            let (mean, variance) = (ODD as f64 * probability, ODD as f64 * probability * (1.0 - probability));
            assert!((zeros - mean).abs() < 6.0 * variance.sqrt(), "{probability}: {zeros} zeros of {ODD}");
        }
    }

    #[test]
    fn neighbours_and_chunks_are_independent() {
        let mask = masked(1, 0.5, &[0.5; ODD]);
        // Two elements agree with probability 1/2: binomial as above, over so many pairs.
        for distance in [1, 2, CHUNK, CHUNK + 1] {
            let pairs = (ODD - distance) as f64;
            let equal = mask.iter().zip(&mask[distance..]).filter(|(a, b)| a == b).count() as f64;
            assert!(
                (equal - pairs / 2.0).abs() < 6.0 * (pairs / 4.0).sqrt(),
                "distance {distance}: {equal} of {pairs}"
            );
        }
    }

    #[test]
    fn a_mask_follows_from_its_seed_on_any_number_of_threads() {
        let on = |threads, seed| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| masked(seed, 0.3, &[1.0; ODD]))
        };
        assert!(on(1, 7) == on(3, 7));
        assert!(on(1, 7) != on(1, 8));
    }

    #[test]
    fn a_chunk_that_is_cut_short_begins_as_a_whole_one() {
        let whole = masked(3, 0.4, &[1.0; ODD]);
        for len in [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1] {
            assert!(masked(3, 0.4, &vec![1.0; len]) == whole[..len], "{len} elements");
        }
    }

    #[test]
    fn what_is_not_finite_is_seen() {
        assert!(masked(1, 0.5, &[f32::NAN; 8]).iter().all(|y| y.is_nan()));
    }
}
