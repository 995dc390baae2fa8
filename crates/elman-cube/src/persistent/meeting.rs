//! Where cubes of one launch meet, and how they notice that they cannot.

use cubecl::prelude::*;

use crate::product::Scratch;

/// What a launch counts on, beside the buffers of its walk.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Meeting {
    /// Whether cubes have given up, then, for each launch of the walk and each row of cubes, how many have arrived. Numbers
    /// only grow, so that no cube can arrive between a reset and those who have not yet left.
    counts: Box<[Atomic<u32>]>,
    /// Written by each launch on a device, and read by nobody: so that there is an order between any two of them.
    turnstile: Box<[Atomic<u32>]>,
    /// The count of the first row of cubes.
    first: usize,
    /// From the count of one row of cubes to that of the next: 0 where all rows meet.
    stride: usize,
    /// How many cubes meet.
    cubes: u32,
    /// How often they meet before the first step, for a trial.
    pub idle: usize,
    /// How many turns of waiting a cube has in all.
    patience: u32,
    /// How often a cube looks whether all are there in one turn.
    #[cube(comptime)]
    looks: usize,
}

/// How far a cube has come.
#[derive(CubeType)]
pub(crate) struct Met {
    /// How often it has met the others.
    times: u32,
    /// Turns of waiting in all.
    turns: u32,
}

#[cube]
pub(crate) fn met() -> Met {
    Met { times: 0u32.runtime(), turns: 0u32.runtime() }
}

/// Waits for the other cubes, and returns whether they came. All units of all cubes must call it. What was written before by
/// atomic stores, atomic loads after it find.
///
/// Plain loads and stores will not do: through SPIR-V CubeCL marks none of them `NonPrivatePointer`, and Vulkan's memory model
/// orders only those between invocations. Atomic operations are never private.
#[cube]
pub(crate) fn meet(b: &Meeting, met: &mut Met, scratch: &mut Scratch) -> bool {
    // twice, since in the C++ that CubeCL makes of it the fence stands before the cube's barrier: unit 0, which arrives for all
    // of them, needs one behind it
    sync_storage();
    sync_storage();
    met.times += 1u32;
    if UNIT_POS == 0 {
        let count = b.first + CUBE_POS_Y as usize * b.stride;
        let all = met.times * b.cubes;
        if met.times == 1u32 && CUBE_POS == 0 {
            b.turnstile[0].fetch_add(1u32);
        }
        let mut together = b.counts[count].fetch_add(1u32) + 1u32 >= all;
        while !together && met.turns < b.patience {
            met.turns += 1u32;
            // by an addition, which no compiler takes for one that was made before
            #[unroll]
            for _ in 0..b.looks {
                if !together {
                    together = b.counts[count].fetch_add(0u32) >= all;
                }
            }
            if !together && b.counts[0].fetch_add(0u32) > 0u32 {
                met.turns = b.patience;
            }
        }
        // a driver in software that leaves a loop too early comes by here as well
        if !together {
            b.counts[0].store(1u32);
        }
        // for all units of the cube, in shared memory that is there anyway
        scratch.sums[0] = f32::cast_from(together);
    }
    sync_storage();
    scratch.sums[0] > 0.5f32
}

/// What is not a number as a float32, and as two of 16 bits.
const NOT_A_NUMBER: u32 = 0x7fc0_7fc0;

/// Makes every number not a number where cubes have given up.
#[cube(launch_unchecked)]
pub(crate) fn spoil(counts: &[u32], of: &mut [u32]) {
    if counts[0] > 0u32 {
        let mut at = ABSOLUTE_POS;
        while at < of.len() {
            of[at] = NOT_A_NUMBER;
            at += CUBE_COUNT * CUBE_DIM as usize;
        }
    }
}
