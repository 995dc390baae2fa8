use std::time::Instant;

use elman::index::{
    IndexError,
    quantized::{
        Collection,
        VectorDtype::{self, Binary, F32, Int8},
        nearest_rescored,
    },
};

use super::stored::QuantizedVectors;
use crate::{error::BenchError, vectors::Vectors};

/// A kind of search.
struct Search {
    first: VectorDtype,
    /// Dtype that candidates are rescored in, and candidates per requested neighbor.
    rescored: Option<(VectorDtype, usize)>,
}

impl Search {
    /// Every kind, exact search first.
    fn all() -> Vec<Self> {
        let single = |first| Self { first, rescored: None };
        let mut all = vec![single(F32), single(Int8), single(Binary)];
        for second in [Int8, F32] {
            all.push(Self { first: Int8, rescored: Some((second, 2)) });
        }
        for second in [Binary, Int8, F32] {
            all.extend([1, 2, 4, 8].map(|oversampling| Self { first: Binary, rescored: Some((second, oversampling)) }));
        }
        all
    }

    fn name(&self) -> String {
        match self.rescored {
            Some((second, oversampling)) => format!("{}, {oversampling}·k rescored in {second}", self.first),
            None => self.first.name().into(),
        }
    }

    /// Stored bytes per vector.
    fn bytes(&self, dim: usize) -> usize {
        let second = self.rescored.map(|(second, _)| second).filter(|&second| second != self.first);
        self.first.bytes(dim) + second.map_or(0, |second| second.bytes(dim))
    }

    fn run(&self, stored: &QuantizedVectors<'_>, query: &[f32], k: usize) -> Result<Vec<(usize, f32)>, IndexError> {
        let collection = |dtype| -> &dyn Collection {
            match dtype {
                Int8 => &stored.int8,
                Binary => &stored.binary,
                F32 => &stored.float32,
            }
        };
        match self.rescored {
            Some((second, oversampling)) => {
                nearest_rescored(collection(self.first), collection(second), query, k, oversampling)
            }
            None => collection(self.first).nearest(query, k),
        }
    }
}

/// Prints a row for each kind of search.
pub(super) fn print(vectors: &Vectors, queries: usize, k: usize) -> Result<(), BenchError> {
    let (found, dim) = (vectors.count(), vectors.dim);
    if queries == 0 || k == 0 || queries >= found || k > found - queries {
        return Err(BenchError::TooFew { found, queries, k });
    }
    let (corpus, query_values) = vectors.values.split_at((found - queries) * dim);
    let stored = QuantizedVectors::new(dim, corpus)?;
    println!("{} vectors of dimension {dim}, {queries} queries that are not among them\n", stored.float32.len());
    println!("| search | bytes per vector | MB | recall@{k} | queries/s |\n|---|--:|--:|--:|--:|");
    let mut exact = Vec::new();
    for search in Search::all() {
        let mut seconds = Vec::with_capacity(queries);
        let mut share = 0.0;
        for (n, query) in query_values.chunks_exact(dim).enumerate() {
            let begin = Instant::now();
            let nearest = search.run(&stored, query, k)?;
            seconds.push(begin.elapsed().as_secs_f64());
            let positions: Vec<usize> = nearest.into_iter().map(|(position, _)| position).collect();
            if exact.len() < queries {
                exact.push(positions.clone());
            }
            share += recall(&exact[n], &positions);
        }
        let (recall, speed) = (share / queries as f64, 1.0 / median(seconds));
        let (name, bytes) = (search.name(), search.bytes(dim));
        let megabytes = (bytes * stored.float32.len()) as f64 / 1e6;
        println!("| {name} | {bytes} | {megabytes:.1} | {recall:.3} | {speed:.0} |");
    }
    Ok(())
}

/// The share of `exact` that was found.
fn recall(exact: &[usize], found: &[usize]) -> f64 {
    exact.iter().filter(|position| found.contains(position)).count() as f64 / exact.len() as f64
}

fn median(mut seconds: Vec<f64>) -> f64 {
    let middle = seconds.len() / 2;
    *seconds.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_and_median() {
        assert_eq!(recall(&[1, 2, 3, 4], &[4, 9, 1]), 0.5);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn searches_have_names_and_sizes() {
        let all = Search::all();
        let row = |n: usize| (all[n].name(), all[n].bytes(384));
        assert_eq!(row(0), ("f32".into(), 1536));
        assert_eq!(row(3), ("int8, 2·k rescored in int8".into(), 384));
        assert_eq!(row(all.len() - 1), ("binary, 8·k rescored in f32".into(), 1584));
    }

    #[test]
    fn queries_and_k_must_leave_vectors_to_search() {
        let vectors = Vectors { dim: 2, values: [1.0, 2.0].repeat(4) };
        for (queries, k) in [(0, 1), (4, 1), (1, 0), (1, 4)] {
            assert!(matches!(print(&vectors, queries, k), Err(BenchError::TooFew { found: 4, .. })));
        }
        print(&vectors, 1, 3).unwrap();
    }
}
