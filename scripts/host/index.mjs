// The package's front door: a host of one module, and what an entry may ask of it.
export { ForkHost, Guest, GuestError } from './fork-host.mjs';
export { fork, longjmp, pause, setjmp } from './requests.mjs';
