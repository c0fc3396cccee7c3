// The stack of a run in V8.

/** The frames of the current stack, innermost first, without `skip` and what it called. */
export const stackBelow = (skip) => {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.prepareStackTrace = (_, frames) => frames;
  Error.stackTraceLimit = Infinity;
  const holder = {};
  Error.captureStackTrace(holder, skip);
  const frames = holder.stack;
  Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  return frames;
};
