use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Statistics over the repeats of a measurement, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timing {
    /// The median.
    pub ms: f64,
    /// The lower quartile.
    pub low: f64,
    /// The upper quartile; far from `low` if the machine was busy.
    pub high: f64,
    /// Number of repeats.
    pub runs: usize,
}

impl Timing {
    fn new(mut ms: Vec<f64>) -> Self {
        ms.sort_by(f64::total_cmp);
        Self { ms: quantile(&ms, 0.5), low: quantile(&ms, 0.25), high: quantile(&ms, 0.75), runs: ms.len() }
    }
}

/// The quantile of sorted values, linearly interpolated.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    let ms = below + (above - below) * at.fract();
    (ms * 1e6).round() / 1e6 // clocks resolve nanoseconds
}

/// Work that can be repeated, and returns when it is complete.
pub(crate) type Work = Box<dyn FnMut()>;

/// Times contestants in turn until about `seconds` per contestant have passed and each has at least [`MIN_RUNS`]
/// repeats. A turn lasts at least [`TURN`] and has at least one repeat. The warm-up is not counted, nor is the first
/// repeat of a turn if it is shorter than [`COLD`]: each contestant then finds its own data in the caches and its own
/// memory in the allocator, as it does in a separate process.
pub(crate) fn alternate(contestants: &mut [Work], seconds: f64) -> Vec<Timing> {
    for work in contestants.iter_mut() {
        warm_up(work, seconds);
    }
    let budget = Duration::from_secs_f64(seconds * contestants.len() as f64);
    let begin = Instant::now();
    let mut times = vec![Vec::new(); contestants.len()];
    while times.iter().any(|t| t.len() < MIN_RUNS) || begin.elapsed() < budget {
        for (work, times) in contestants.iter_mut().zip(&mut times) {
            let mut first = time(work);
            if first < COLD {
                first = time(work);
            }
            let mut turn = first;
            times.push(first);
            while turn < TURN {
                let next = time(work);
                turn += next;
                times.push(next);
            }
        }
    }
    let ms = |times: Vec<Duration>| times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
    times.into_iter().map(|times| Timing::new(ms(times))).collect()
}

fn time(work: &mut Work) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Minimum length of a contestant's turn.
const TURN: Duration = Duration::from_millis(10);

/// Repeats of this length are not affected by cold caches.
const COLD: Duration = Duration::from_millis(200);

/// Minimum number of repeats.
const MIN_RUNS: usize = 3;

/// Warms up memory, caches and threads, and lets GPU kernels compile and tune: at most three repeats, one if it takes
/// longer than `seconds`.
fn warm_up(work: &mut Work, seconds: f64) {
    let begin = Instant::now();
    for _ in 0..3 {
        work();
        if begin.elapsed().as_secs_f64() > seconds {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    #[test]
    fn quartiles_are_interpolated() {
        let timing = Timing::new(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(timing, Timing { ms: 2.5, low: 1.75, high: 3.25, runs: 4 });
        assert_eq!(Timing::new(vec![7.0]), Timing { ms: 7.0, low: 7.0, high: 7.0, runs: 1 });
    }

    #[test]
    fn contestants_alternate_and_are_timed_separately() {
        let turns = Rc::new(RefCell::new(String::new()));
        let contestant = |name: char, ms: u64| -> Work {
            let turns = turns.clone();
            Box::new(move || {
                turns.borrow_mut().push(name);
                std::thread::sleep(Duration::from_millis(ms));
            })
        };
        let timings = alternate(&mut [contestant('a', 12), contestant('b', 25)], 0.0);
        assert_eq!(*turns.borrow(), "ab".to_owned() + &"aabb".repeat(MIN_RUNS), "the first of a turn is not counted");
        assert!(timings[0].ms >= 12.0 && timings[1].ms >= 25.0);
        assert_eq!(timings.iter().map(|t| t.runs).collect::<Vec<_>>(), [MIN_RUNS, MIN_RUNS]);
    }

    #[test]
    fn short_work_is_repeated_within_a_turn() {
        let runs = Rc::new(RefCell::new(0));
        let counted = runs.clone();
        let work: Work = Box::new(move || *counted.borrow_mut() += 1);
        let timings = alternate(&mut [work], 0.0);
        assert!(timings[0].runs > MIN_RUNS, "short work is repeated until the turn ends");
        assert!(*runs.borrow() > timings[0].runs, "the warm-up is not counted");
    }
}
