//! Packing of weights in the order in which threads read them.

use cubecl::{ir::ElemType, prelude::*};

use crate::{buffer::Buffer, product::Vec4};

/// `packed[direction, k/4, column][k%4] = from[direction·direction_stride + offset + column·column_stride + k·stride]`,
/// zero for k ≥ `len`.
#[cube(launch_unchecked)]
fn pack_kernel<N: Float>(
    from: &[N],
    packed: &mut [Vec4<N>],
    offset: usize,
    columns: usize,
    column_stride: usize,
    len: usize,
    stride: usize,
    direction_stride: usize,
    #[define(N)] _dtype: ElemType,
) {
    if ABSOLUTE_POS < packed.len() {
        let column = ABSOLUTE_POS % columns;
        let column_vecs = len.div_ceil(4);
        let direction = ABSOLUTE_POS / columns / column_vecs;
        let first = ABSOLUTE_POS / columns % column_vecs * 4;
        let mut vec = Vec4::<N>::cast_from(0.0f32);
        #[unroll]
        for k in 0..4usize {
            if first + k < len {
                vec.insert(
                    k,
                    from[direction * direction_stride + offset + column * column_stride + (first + k) * stride],
                );
            }
        }
        packed[ABSOLUTE_POS] = vec;
    }
}

/// Which weights are packed. Offset and strides are in elements.
pub(crate) struct Packing {
    /// Of the first weight.
    pub offset: usize,
    pub columns: usize,
    /// From one column to the next.
    pub column_stride: usize,
    /// Weights per column: the length of the dot product.
    pub len: usize,
    /// From one weight of a column to the next.
    pub stride: usize,
}

/// Packs the weights of a product for all directions.
pub(crate) fn pack(client: &Client, from: &Buffer, directions: usize, packing: Packing) -> Buffer {
    let Packing { offset, columns, column_stride, len, stride } = packing;
    let vecs = directions * len.div_ceil(4) * columns;
    let packed = Buffer::empty_as(client, vecs * 4, from.number());
    let dim = CubeDim::new_1d(256.min(client.properties().hardware.max_units_per_cube));
    let count = cubecl::calculate_cube_count_elemwise(client, vecs, dim);
    // SAFETY: both buffers have the lengths that they report; the kernel writes below `packed.len()` and reads below
    // `offset + columns · column_stride + len · stride` of a direction, which is within the direction's weights
    unsafe {
        pack_kernel::launch_unchecked(
            client,
            count,
            dim,
            from.arg(),
            packed.vec4_arg(),
            offset,
            columns,
            column_stride,
            len,
            stride,
            from.len() / directions,
            from.number().elem(),
        );
    }
    packed
}
