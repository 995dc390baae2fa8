//! The grid barrier, which detects by a timeout that cubes do not run concurrently.

use cubecl::prelude::*;

use crate::product::Scratch;

/// The arguments of a grid barrier, passed to a kernel along with the buffers of its scan.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct GridBarrier {
    /// First a flag that is set when a barrier times out, then, for each launch of the scan and each row of cubes, the
    /// number of arrivals. Counters only grow, so there is no reset that could race with cubes that have not left yet.
    counters: Box<[Atomic<u32>]>,
    /// Written by each launch on a device and never read: the dependency orders the launches.
    launch_order: Box<[Atomic<u32>]>,
    /// The counter of the first row of cubes.
    first_counter: usize,
    /// From the counter of one row of cubes to that of the next: 0 if all rows share one.
    counter_stride: usize,
    /// Number of cubes that share a counter.
    cubes: u32,
    /// Number of barriers before the first step, in a trial launch.
    pub trial_rounds: usize,
    /// Maximum spins of a cube at all barriers of a launch together.
    max_spins: u32,
    /// Number of polls of the counter per spin.
    #[cube(comptime)]
    polls_per_spin: usize,
}

/// The progress of a cube.
#[derive(CubeType)]
pub(crate) struct SyncState {
    /// Number of barriers that the cube has entered.
    barriers: u32,
    /// Total number of spins.
    spins: u32,
}

#[cube]
pub(crate) fn sync_state() -> SyncState {
    SyncState { barriers: 0u32.runtime(), spins: 0u32.runtime() }
}

/// Waits for the other cubes, and returns false on timeout. All threads of all cubes must call it. Atomic loads after
/// the barrier see the atomic stores before it.
///
/// Plain loads and stores are not sufficient: CubeCL's SPIR-V marks none of them `NonPrivatePointer`, and Vulkan's
/// memory model does not order unmarked ones between invocations. Atomic operations are never private.
#[cube]
pub(crate) fn grid_sync(b: &GridBarrier, sync: &mut SyncState, scratch: &mut Scratch) -> bool {
    // twice, since the C++ that CubeCL generates has the fence before the cube's barrier, and thread 0, which arrives
    // for the whole cube, needs a fence after it
    sync_storage();
    sync_storage();
    sync.barriers += 1u32;
    if UNIT_POS == 0 {
        let counter = b.first_counter + CUBE_POS_Y as usize * b.counter_stride;
        let expected = sync.barriers * b.cubes;
        if sync.barriers == 1u32 && CUBE_POS == 0 {
            b.launch_order[0].fetch_add(1u32);
        }
        let mut complete = b.counters[counter].fetch_add(1u32) + 1u32 >= expected;
        while !complete && sync.spins < b.max_spins {
            sync.spins += 1u32;
            // polls with an addition, which compilers cannot replace by an earlier result
            #[unroll]
            for _ in 0..b.polls_per_spin {
                if !complete {
                    complete = b.counters[counter].fetch_add(0u32) >= expected;
                }
            }
            if !complete && b.counters[0].fetch_add(0u32) > 0u32 {
                sync.spins = b.max_spins;
            }
        }
        // a software driver that leaves the loop early ends up here, too
        if !complete {
            b.counters[0].store(1u32);
        }
        // broadcasts the result to all threads of the cube through shared memory that is already allocated
        scratch.sums[0] = f32::cast_from(complete);
    }
    sync_storage();
    scratch.sums[0] > 0.5f32
}

/// NaN as an f32, and as two f16 or bf16.
const NAN_BITS: u32 = 0x7fc0_7fc0;

/// Fills a buffer with NaN if a grid barrier timed out.
#[cube(launch_unchecked)]
pub(crate) fn poison_kernel(counters: &[u32], buffer: &mut [u32]) {
    if counters[0] > 0u32 {
        let mut n = ABSOLUTE_POS;
        while n < buffer.len() {
            buffer[n] = NAN_BITS;
            n += CUBE_COUNT * CUBE_DIM as usize;
        }
    }
}
