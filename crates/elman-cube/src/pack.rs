//! Weights in the order in which units read them.

use cubecl::{ir::ElemType, prelude::*};

use crate::{buffer::Buffer, product::Four};

/// `packed[side, k/4, column][k%4] = from[side·side_stride + offset + column·column_stride + k·stride]`, zero from `len` on.
#[cube(launch_unchecked)]
fn pack_kernel<N: Float>(
    from: &[N],
    packed: &mut [Four<N>],
    offset: usize,
    columns: usize,
    column_stride: usize,
    len: usize,
    stride: usize,
    side_stride: usize,
    #[define(N)] _number: ElemType,
) {
    if ABSOLUTE_POS < packed.len() {
        let column = ABSOLUTE_POS % columns;
        let fours = len.div_ceil(4);
        let side = ABSOLUTE_POS / columns / fours;
        let first = ABSOLUTE_POS / columns % fours * 4;
        let mut four = Four::<N>::cast_from(0.0f32);
        #[unroll]
        for k in 0..4usize {
            if first + k < len {
                four.insert(k, from[side * side_stride + offset + column * column_stride + (first + k) * stride]);
            }
        }
        packed[ABSOLUTE_POS] = four;
    }
}

/// Which weights are packed.
pub(crate) struct Packing {
    /// Of the first weight, in numbers.
    pub offset: usize,
    pub columns: usize,
    /// From one column to the next, in numbers.
    pub column_stride: usize,
    /// Numbers that are summed over.
    pub len: usize,
    /// From one of them to the next.
    pub stride: usize,
}

/// The weights of a product, packed, of all sides.
pub(crate) fn pack(client: &Client, from: &Buffer, sides: usize, packing: Packing) -> Buffer {
    let Packing { offset, columns, column_stride, len, stride } = packing;
    let fours = sides * len.div_ceil(4) * columns;
    let packed = Buffer::empty_of(client, fours * 4, from.number());
    let dim = CubeDim::new_1d(256.min(client.properties().hardware.max_units_per_cube));
    let count = cubecl::calculate_cube_count_elemwise(client, fours, dim);
    // SAFETY: both buffers have as many numbers as they say; the kernel writes below `packed.len()`, and what it reads is
    // below `offset + columns · column_stride + len · stride` of a side, which is inside of the side's weights
    unsafe {
        pack_kernel::launch_unchecked(
            client,
            count,
            dim,
            from.arg(),
            packed.fours(),
            offset,
            columns,
            column_stride,
            len,
            stride,
            from.len() / sides,
            from.number().elem(),
        );
    }
    packed
}
