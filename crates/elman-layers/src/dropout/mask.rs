use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
use rayon::prelude::*;

/// Elements that share a random stream; one thread generates them.
const CHUNK: usize = 1 << 14;

/// Elements times a mask that is 0 with the given probability `p` and else `1/(1 − p)`.
///
/// The mask depends only on the seed, the probability and the offsets of the elements, so backward recomputes it
/// instead of saving it. Each [`CHUNK`] has its own random stream, so the result does not depend on the number of
/// threads.
pub fn masked(seed: u64, probability: f64, x: &[f32]) -> Vec<f32> {
    let keep = 1.0 - probability;
    let scale = (1.0 / keep) as f32;
    // A 32-bit random number is below this with probability `keep`, to within 2⁻³³.
    let below = (keep * 2f64.powi(32)).round() as u64;
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).enumerate().for_each(|(chunk, (y, x))| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(chunk as u64));
        for (y, x) in y.chunks_mut(2).zip(x.chunks(2)) {
            let bits = random.next_u64();
            for ((y, x), bits) in y.iter_mut().zip(x).zip([bits >> 32, bits & u64::from(u32::MAX)]) {
                // a product, so that NaN and infinity propagate
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

    /// An odd length that is not a multiple of a chunk.
    const ODD: usize = 5 * CHUNK / 2 + 1;

    #[test]
    fn the_share_of_zeros_is_the_probability_and_the_rest_is_scaled() {
        for probability in [0.001, 0.1, 0.5, 0.9] {
            let mask = masked(1, probability, &[1.0; ODD]);
            let scale = (1.0 / (1.0 - probability)) as f32;
            assert!(mask.iter().all(|&m| m == 0.0 || m == scale), "{probability}: scale");
            // The number of zeros is binomial; six standard deviations are allowed.
            let zeros = mask.iter().filter(|&&m| m == 0.0).count() as f64;
            let (mean, variance) = (ODD as f64 * probability, ODD as f64 * probability * (1.0 - probability));
            assert!((zeros - mean).abs() < 6.0 * variance.sqrt(), "{probability}: {zeros} zeros of {ODD}");
        }
    }

    #[test]
    fn adjacent_elements_and_chunks_are_independent() {
        let mask = masked(1, 0.5, &[0.5; ODD]);
        // Two elements agree with probability 1/2: binomial as above, over the pairs.
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
    fn a_mask_depends_on_its_seed_and_not_on_the_number_of_threads() {
        let on = |threads, seed| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| masked(seed, 0.3, &[1.0; ODD]))
        };
        assert!(on(1, 7) == on(3, 7));
        assert!(on(1, 7) != on(1, 8));
    }

    #[test]
    fn a_shorter_mask_is_a_prefix_of_a_longer_one() {
        let whole = masked(3, 0.4, &[1.0; ODD]);
        for len in [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1] {
            assert!(masked(3, 0.4, &vec![1.0; len]) == whole[..len], "{len} elements");
        }
    }

    #[test]
    fn nan_propagates() {
        assert!(masked(1, 0.5, &[f32::NAN; 8]).iter().all(|y| y.is_nan()));
    }
}
