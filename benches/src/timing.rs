use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What the repeats of one measurement say, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// The median.
    pub ms: f64,
    /// The lower quartile.
    pub low: f64,
    /// The upper quartile; far from `low` where the machine had other work.
    pub high: f64,
    /// How many repeats there were.
    pub runs: usize,
}

impl Figure {
    fn of(mut ms: Vec<f64>) -> Self {
        ms.sort_by(f64::total_cmp);
        Self { ms: quantile(&ms, 0.5), low: quantile(&ms, 0.25), high: quantile(&ms, 0.75), runs: ms.len() }
    }
}

/// The quantile of sorted values, interpolated between the two that enclose it.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    let ms = below + (above - below) * at.fract();
    (ms * 1e6).round() / 1e6 // clocks count nanoseconds
}

/// A piece of work that can be repeated, and returns when it is done.
pub(crate) type Work = Box<dyn FnMut()>;

/// Times contestants in turn until about `seconds` per contestant have passed and each has had at least [`LEAST_RUNS`]
/// repeats. A turn is one repeat, or as many as [`TURN`] has room for. Neither the repeats of a warm-up are counted, nor the
/// first of a turn if it is shorter than [`COLD`]: so that work finds its own data in the caches and its own memory with the
/// allocator, as it does in the peers' processes, and not that of the others.
pub(crate) fn alternate(contestants: &mut [Work], seconds: f64) -> Vec<Figure> {
    for work in contestants.iter_mut() {
        warm_up(work, seconds);
    }
    let budget = Duration::from_secs_f64(seconds * contestants.len() as f64);
    let begin = Instant::now();
    let mut times = vec![Vec::new(); contestants.len()];
    while times.iter().any(|t| t.len() < LEAST_RUNS) || begin.elapsed() < budget {
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
    times.into_iter().map(|times| Figure::of(ms(times))).collect()
}

fn time(work: &mut Work) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// How long a contestant's turn is at least.
const TURN: Duration = Duration::from_millis(10);

/// Work as long as this fills the caches many times, and does not notice what they held before.
const COLD: Duration = Duration::from_millis(200);

/// Repeats that a median is taken of at least.
const LEAST_RUNS: usize = 3;

/// Memory, caches, threads, and the kernels that a graphics card compiles and tunes: at most three repeats, one if it
/// takes long.
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
        let figure = Figure::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(figure, Figure { ms: 2.5, low: 1.75, high: 3.25, runs: 4 });
        assert_eq!(Figure::of(vec![7.0]), Figure { ms: 7.0, low: 7.0, high: 7.0, runs: 1 });
    }

    #[test]
    fn contestants_take_turns_and_the_slower_one_takes_longer() {
        let turns = Rc::new(RefCell::new(String::new()));
        let contestant = |name: char, ms: u64| -> Work {
            let turns = turns.clone();
            Box::new(move || {
                turns.borrow_mut().push(name);
                std::thread::sleep(Duration::from_millis(ms));
            })
        };
        let figures = alternate(&mut [contestant('a', 12), contestant('b', 25)], 0.0);
        assert_eq!(*turns.borrow(), "ab".to_owned() + &"aabb".repeat(LEAST_RUNS), "the first of a turn is not counted");
        assert!(figures[0].ms >= 12.0 && figures[1].ms >= 25.0);
        assert_eq!(figures.iter().map(|f| f.runs).collect::<Vec<_>>(), [LEAST_RUNS, LEAST_RUNS]);
    }

    #[test]
    fn a_turn_is_filled() {
        let runs = Rc::new(RefCell::new(0));
        let counted = runs.clone();
        let work: Work = Box::new(move || *counted.borrow_mut() += 1);
        let figures = alternate(&mut [work], 0.0);
        assert!(figures[0].runs > LEAST_RUNS, "work of no length is repeated until a turn is over");
        assert!(*runs.borrow() > figures[0].runs, "the warm-up is not counted");
    }
}
