// Lets a storm, which speaks wpk-fork, drive modules that speak asyncify: in the same instance, with buffers that are large enough.

/** The exports of an instance; where it speaks asyncify, by the names and in the ways of wpk-fork. `view` gives a view of its memory. */
export const spoken = (exports, view) => {
  if (!('asyncify_get_state' in exports)) return exports;
  const { asyncify_start_unwind, asyncify_stop_unwind, asyncify_start_rewind, asyncify_stop_rewind, asyncify_get_state } = exports;
  return {
    ...exports,
    wpk_fork_memory: exports.asyncify_memory,
    wpk_fork_state: asyncify_get_state,
    wpk_fork_unwind_begin: (buffer) => {
      view().setUint32(buffer, buffer + 8, true);
      asyncify_start_unwind(buffer);
    },
    wpk_fork_unwind_end: asyncify_stop_unwind,
    wpk_fork_rewind_begin: () => {
      throw new Error('asyncify saves no globals: there are no fresh instances');
    },
    wpk_fork_resume_begin: asyncify_start_rewind,
    wpk_fork_rewind_end: asyncify_stop_rewind,
  };
};
