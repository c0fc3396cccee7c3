// What an entry may return instead of a value, so that the stack is unwound. A promise is one, too: the stack is away until it settles.

export class Request {}
export class Fork extends Request {}

export class Pause extends Request {
  constructor(value) {
    super();
    this.value = value;
  }
}

export class SetJump extends Request {
  constructor(key) {
    super();
    this.key = key;
  }
}

export class LongJump extends Request {
  constructor(key, value) {
    super();
    Object.assign(this, { key, value });
  }
}

export class Wait extends Request {
  constructor(promise) {
    super();
    this.promise = promise;
  }
}

/** The program goes on twice: the entry returns the child's number to the parent, and 0 to the child. */
export const fork = () => new Fork();

/** The fiber stops here; its `next` gives `value`, and what the following `next` is given is what the entry returns. */
export const pause = (value) => new Pause(value);

/** The stack is kept under `key`, and the entry returns 0: now, and `value` after each `longjmp` to that key. */
export const setjmp = (key) => new SetJump(key);
export const longjmp = (key, value = 1) => new LongJump(key, value);

/** What an entry's answer asks for, or null if it is a value. */
export const requested = (answer) => {
  if (answer instanceof Request) return answer;
  return typeof answer?.then === 'function' ? new Wait(answer) : null;
};
