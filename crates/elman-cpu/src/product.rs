//! The product of a block of rows with panels of weights, with sums in registers.

use pulp::{Simd, WithSimd};

use crate::{panels::Tile, weight_dtype::Encoding};

/// Maximum rows of a block.
pub(crate) const MAX_ROWS: usize = 8;

/// Rows of a block, so that the sums of all rows and their operands fit into `registers`, for tiles of `vectors`
/// registers.
pub(crate) const fn block_rows(registers: usize, vectors: usize) -> usize {
    let mut rows = 1;
    while rows < MAX_ROWS && (rows + 1) * vectors + min(rows + 1, vectors) < registers {
        rows += 1;
    }
    rows
}

/// Rows of a block for a tile, see [`block_rows`].
pub(crate) struct BlockRows(pub Tile);

impl WithSimd for BlockRows {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        block_rows(S::REGISTER_COUNT, self.0.vectors)
    }
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

/// Rows of a panel before its weights: the biases, and the scales if the encoding has them.
pub(crate) const fn header_rows<E: Encoding>() -> usize {
    if E::SCALED { 2 } else { 1 }
}

/// `bias + row · panel` for `NT` panels, `MR` rows and `NV` registers of columns. Sums over the depth in ascending
/// order.
///
/// # Safety
/// Each panel is packed for `E`, `NV` registers wide and `depth` weights deep. Each of `rows` has `depth` values.
#[inline(always)]
pub(crate) unsafe fn product<S: Simd, E: Encoding, const NT: usize, const MR: usize, const NV: usize>(
    s: S,
    panels: [*const f32; NT],
    depth: usize,
    rows: [*const f32; MR],
) -> [[[S::f32s; NV]; MR]; NT] {
    let width = NV * S::F32_LANES;
    let mut sums = [[[s.splat_f32s(0.0); NV]; MR]; NT];
    // SAFETY: a panel starts with its biases.
    let bias = |panel: *const f32, v: usize| unsafe { load::<S>(panel.add(v * S::F32_LANES)) };
    if !E::SCALED {
        for (sums, panel) in sums.iter_mut().zip(panels) {
            for v in 0..NV {
                for sums in &mut *sums {
                    sums[v] = bias(panel, v);
                }
            }
        }
    }
    let mut k = 0;
    while k + E::GROUP <= depth {
        for part in 0..E::GROUP {
            for (sums, panel) in sums.iter_mut().zip(panels) {
                // SAFETY: k + part < depth.
                unsafe {
                    add::<S, E, MR, NV>(
                        s,
                        sums,
                        panel.add((header_rows::<E>() + k / E::GROUP) * width),
                        part,
                        rows,
                        k + part,
                    )
                };
            }
        }
        k += E::GROUP;
    }
    while k < depth {
        for (sums, panel) in sums.iter_mut().zip(panels) {
            // SAFETY: k < depth.
            unsafe {
                add::<S, E, MR, NV>(
                    s,
                    sums,
                    panel.add((header_rows::<E>() + k / E::GROUP) * width),
                    k % E::GROUP,
                    rows,
                    k,
                )
            };
        }
        k += 1;
    }
    if E::SCALED {
        for (sums, panel) in sums.iter_mut().zip(panels) {
            for v in 0..NV {
                // SAFETY: the scales follow the biases.
                let scale = unsafe { load::<S>(panel.add(width + v * S::F32_LANES)) };
                for sums in &mut *sums {
                    sums[v] = s.mul_add_e_f32s(scale, sums[v], bias(panel, v));
                }
            }
        }
    }
    sums
}

/// Adds one row of weights times one value of each row. Uses fused multiply-add where the CPU has it: a software
/// emulation takes ten times as long.
///
/// # Safety
/// `words` is `NV` registers wide, and each row has more than `k` values.
#[inline(always)]
unsafe fn add<S: Simd, E: Encoding, const MR: usize, const NV: usize>(
    s: S,
    sums: &mut [[S::f32s; NV]; MR],
    words: *const f32,
    part: usize,
    rows: [*const f32; MR],
    k: usize,
) {
    let weight = |v: usize| {
        // SAFETY: as the caller promises.
        let words = unsafe { load::<S>(words.add(v * S::F32_LANES)) };
        E::decode(s, s.transmute_u32s_f32s(words), part)
    };
    // SAFETY: as the caller promises.
    let value = |m: usize| s.splat_f32s(unsafe { *rows[m].add(k) });
    // hold the smaller of both operands in registers
    if NV <= MR {
        let mut column = [s.splat_f32s(0.0); NV];
        for (v, column) in column.iter_mut().enumerate() {
            *column = weight(v);
        }
        for (m, sums) in sums.iter_mut().enumerate() {
            let value = value(m);
            for (sum, weight) in sums.iter_mut().zip(column) {
                *sum = s.mul_add_e_f32s(value, weight, *sum);
            }
        }
    } else {
        let mut values = [s.splat_f32s(0.0); MR];
        for (m, slot) in values.iter_mut().enumerate() {
            *slot = value(m);
        }
        for v in 0..NV {
            let weight = weight(v);
            for (sums, value) in sums.iter_mut().zip(values) {
                sums[v] = s.mul_add_e_f32s(value, weight, sums[v]);
            }
        }
    }
}

/// Loads a whole register from an unaligned address.
///
/// # Safety
/// `from` is valid for reads of `F32_LANES` values.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: as the caller promises; every bit pattern is a valid f32.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// Loads the first `count` lanes of a register; the others are zero.
///
/// # Safety
/// `from` is valid for reads of `count` values, at most `F32_LANES`.
#[inline(always)]
pub(crate) unsafe fn load_some<S: Simd>(s: S, from: *const f32, count: usize) -> S::f32s {
    if count == S::F32_LANES {
        // SAFETY: a whole register.
        unsafe { load::<S>(from) }
    } else {
        // SAFETY: as the caller promises.
        s.partial_load_f32s(unsafe { std::slice::from_raw_parts(from, count) })
    }
}

/// Stores the first `count` lanes of a register.
///
/// # Safety
/// `to` is valid for writes of `count` values, at most `F32_LANES`, and no other thread accesses them.
#[inline(always)]
pub(crate) unsafe fn store_some<S: Simd>(s: S, to: *mut f32, count: usize, value: S::f32s) {
    if count == S::F32_LANES {
        // SAFETY: a whole register.
        unsafe { to.cast::<S::f32s>().write_unaligned(value) }
    } else {
        // SAFETY: as the caller promises.
        s.partial_store_f32s(unsafe { std::slice::from_raw_parts_mut(to, count) }, value)
    }
}

/// Evaluates `$call` with constants `$nt` and `$mr` for the tiles of a [`TileGroup`](crate::panels::TileGroup) and
/// `$rows` rows.
macro_rules! with_block {
    ($tiles:expr, $rows:expr, |$nt:ident, $mr:ident| $call:expr) => {
        match ($tiles, $rows) {
            (4, _) => with_block!(@ 4, 1, $nt, $mr, $call),
            (2, 1) => with_block!(@ 2, 1, $nt, $mr, $call),
            (2, _) => with_block!(@ 2, 2, $nt, $mr, $call),
            (_, 1) => with_block!(@ 1, 1, $nt, $mr, $call),
            (_, 2) => with_block!(@ 1, 2, $nt, $mr, $call),
            (_, 3) => with_block!(@ 1, 3, $nt, $mr, $call),
            (_, 4) => with_block!(@ 1, 4, $nt, $mr, $call),
            (_, 5) => with_block!(@ 1, 5, $nt, $mr, $call),
            (_, 6) => with_block!(@ 1, 6, $nt, $mr, $call),
            (_, 7) => with_block!(@ 1, 7, $nt, $mr, $call),
            _ => with_block!(@ 1, 8, $nt, $mr, $call),
        }
    };
    (@ $t:literal, $r:literal, $nt:ident, $mr:ident, $call:expr) => {{
        const $nt: usize = $t;
        const $mr: usize = $r;
        $call
    }};
}
pub(crate) use with_block;
