//! `gemm`, `faer` and `matrixmultiply` on the large products of a recurrent layer of 32 rows and 64 steps, in GFLOP/s.

use std::time::Instant;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use gemm::Parallelism;

/// A product `[m, k] · [k, n]`, each operand possibly stored transposed.
struct Product {
    name: &'static str,
    size: [usize; 3],
    transposed: [bool; 2],
}

/// Row stride and column stride.
fn strides(rows: usize, columns: usize, transposed: bool) -> [isize; 2] {
    if transposed { [1, rows as isize] } else { [columns as isize, 1] }
}

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    println!("{threads} threads, GFLOP/s, medians of nine\n");
    println!("{:<20} {:>6} {:>6} {:>6} {:>8} {:>8} {:>16}", "product", "m", "k", "n", "gemm", "faer", "matrixmultiply");
    for hidden in [256, 512] {
        let (rows, gates) = (32 * 64, 4 * hidden);
        for product in [
            Product { name: "input, x Wᵀ", size: [rows, hidden, gates], transposed: [false, true] },
            Product { name: "d weights, dᵀ x", size: [gates, rows, hidden], transposed: [true, false] },
            Product { name: "d input, d W", size: [rows, gates, hidden], transposed: [false, false] },
        ] {
            product.measure(threads);
        }
    }
}

impl Product {
    fn measure(&self, threads: usize) {
        let Self { name, size: [m, k, n], transposed } = *self;
        let values = |count: usize| (0..count).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<f32>>();
        let (a, b) = (values(m * k), values(k * n));
        let [[a_row, a_column], [b_row, b_column]] = [strides(m, k, transposed[0]), strides(k, n, transposed[1])];
        let output = || vec![0.0f32; m * n];
        let (mut by_gemm, mut by_faer, mut by_matrixmultiply) = (output(), output(), output());

        let gflop = 2.0 * (m * k * n) as f64 / 1e9;
        let gemm = gflop
            / median(|| {
                let (to, parallelism) = (by_gemm.as_mut_ptr(), Parallelism::Rayon(threads));
                // SAFETY: the strides match matrices of these sizes.
                unsafe {
                    gemm::gemm(
                        m,
                        n,
                        k,
                        to,
                        1,
                        n as isize,
                        false,
                        a.as_ptr(),
                        a_column,
                        a_row,
                        b.as_ptr(),
                        b_column,
                        b_row,
                        1.0,
                        1.0,
                        false,
                        false,
                        false,
                        parallelism,
                    );
                }
            });
        let faer = gflop
            / median(|| {
                let operand = |values, rows, columns, transposed| match transposed {
                    true => MatRef::from_row_major_slice(values, columns, rows).transpose(),
                    false => MatRef::from_row_major_slice(values, rows, columns),
                };
                let to = MatMut::from_row_major_slice_mut(&mut by_faer, m, n);
                let (a, b) = (operand(&a[..], m, k, transposed[0]), operand(&b[..], k, n, transposed[1]));
                matmul(to, Accum::Replace, a, b, 1.0, Par::rayon(threads));
            });
        let matrixmultiply = gflop
            / median(|| {
                let to = by_matrixmultiply.as_mut_ptr();
                // SAFETY: as above.
                unsafe {
                    matrixmultiply::sgemm(
                        m,
                        k,
                        n,
                        1.0,
                        a.as_ptr(),
                        a_row,
                        a_column,
                        b.as_ptr(),
                        b_row,
                        b_column,
                        0.0,
                        to,
                        n as isize,
                        1,
                    );
                }
            });
        // sums of small integers are exact
        assert!(by_gemm == by_faer && by_gemm == by_matrixmultiply, "{name}: the results differ");
        println!("{name:<20} {m:>6} {k:>6} {n:>6} {gemm:>8.1} {faer:>8.1} {matrixmultiply:>16.1}");
    }
}

/// The median time in seconds, after one warm-up run.
fn median(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
