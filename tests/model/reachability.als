// What can be on the stack when an entry is called, and what the analysis says of it.
//
// First comes what a module really does, then what `src/analyze` makes of it, rule by rule, then the
// checks. `run` compares their results with the `expect` of each: 0, no counterexample; 1, there is one.

// ---- The module

sig Type { super: lone Type }
fact { no t: Type | t in t.^super }

sig Slot {}

sig Fn {
  declared: one Type,      // what the module says
  actual: one Type,        // what calls check
  calls: set Fn            // direct calls
}
sig Import in Fn {}
sig Exported in Fn {}
sig RefFunc in Fn {}       // ref.func in live code takes them
one sig Entry in Import {}
sig Reentrant in Import {} // imports that may call back
fact {
  no Import.calls and no Entry & Reentrant
  all f: Fn | declared[f] in f.actual.*super
  all f: Fn - Import | f.actual = f.declared
}

sig Table {
  early: Slot -> lone Fn,  // active segments, up to one for an imported table
  late: Slot -> lone Fn    // active segments after that
}
sig Visible in Table {}    // imported or exported
lone sig Escape {}         // there is an active segment for an imported table
lone sig Failed {}         // instantiation failed right behind it, and its functions run all the same
fact { some Failed implies some Escape }

sig Indirect {             // call_indirect
  caller: one Fn - Import,
  table: one Table,
  type: one Type,
  at: set Slot             // the slots that it calls at run time
}
sig Write {                // table.set and its like
  into: one Table,
  to: set Slot,
  what: one Fn
}
fact { Write.what in RefFunc }

// ---- What happens

fun began[t: Table]: Slot -> Fn { some Failed implies t.early else t.early ++ t.late }
fun written[t: Table]: Slot -> Fn {
  { s: Slot, f: Fn | some w: Write | w.into = t and s in w.to and f = w.what }
}
// What the host can have: exports, references that the module makes, what is in a table that it sees.
fun obtainable: set Fn { Exported + RefFunc + { f: Fn | some t: Visible | f in Slot.(began[t]) } }
fun held[t: Table]: Slot -> Fn {
  began[t] + written[t] + (t in Visible implies Slot -> obtainable else none -> none)
}
fun targets[c: Indirect]: set Fn { { f: c.at.(held[c.table]) | c.type in f.actual.*super } }
fun edges: Fn -> Fn {
  calls + { g, f: Fn | some c: Indirect | c.caller = g and f in targets[c] } + (Reentrant -> obtainable)
}
fun stack: set Fn { Entry.*(~edges) }

// ---- What the analysis says

sig Unknown in Indirect {} // the index is not followed: any slot
sig Anywhere in Write {}   // nor is that of these

fun aBegan[t: Table]: Slot -> Fn { some Escape implies t.early + t.late else t.early ++ t.late }
fun aWritten[t: Table]: Slot -> Fn {
  { s: Slot, f: Fn | some w: Write | w.into = t and f = w.what and (w in Anywhere or s in w.to) }
}
fun taken: set Fn { Exported + RefFunc + { f: Fn | some t: Visible | f in Slot.(t.early + t.late) } }
fun aHeld[t: Table, seen: set Table]: Slot -> Fn {
  t in seen implies Slot -> taken else aBegan[t] + aWritten[t]
}
fun callable[y: Type]: set Fn {
  { f: Fn | y in f.declared.*super or (f in Import and f.declared in y.*super) }
}
fun aSlots[c: Indirect]: set Slot { c in Unknown implies Slot else c.at }
fun aTargets[c: Indirect, seen: set Table]: set Fn {
  aSlots[c].(aHeld[c.table, seen]) & callable[c.type]
}
fun aEdges[seen: set Table]: Fn -> Fn {
  calls + { g, f: Fn | some c: Indirect | c.caller = g and f in aTargets[c, seen] }
    + (Reentrant -> taken)
}
fun closure: set Fn { Entry.*(~(aEdges[Visible])) }

// ---- The analysis

assert Sound { stack in closure }
check Sound for 4 but 3 Type, 2 Table, 3 Indirect, 2 Write expect 0

// What a reader might leave out. Each of these must fail.
fun without[e: Fn -> Fn]: set Fn { Entry.*(~(calls + (Reentrant -> taken) + e)) }

assert IgnoresWrites {
  stack in without[{ g, f: Fn | some c: Indirect | c.caller = g and
    f in aSlots[c].(c.table in Visible implies Slot -> taken else aBegan[c.table]) & callable[c.type] }]
}
check IgnoresWrites for 3 but 4 Fn expect 1

assert IgnoresTheHost { stack in Entry.*(~(aEdges[none])) }
check IgnoresTheHost for 3 but 4 Fn expect 1

assert TrustsDeclaredTypes {
  stack in without[{ g, f: Fn | some c: Indirect | c.caller = g and
    f in aSlots[c].(aHeld[c.table, Visible]) and c.type in f.declared.*super }]
}
check TrustsDeclaredTypes for 3 but 4 Fn expect 1

assert LateSegmentsAlwaysOverwrite {
  stack in without[{ g, f: Fn | some c: Indirect | c.caller = g and
    f in aSlots[c].(c.table in Visible implies Slot -> taken
      else (c.table.early ++ c.table.late) + aWritten[c.table]) & callable[c.type] }]
}
check LateSegmentsAlwaysOverwrite for 3 but 4 Fn expect 1

// ---- Caches

// One answer for each type, that of the call that asks first. Must fail.
one sig Cache { first: Type -> lone Indirect }
fact { all y: Type | let same = type.y | some same implies one Cache.first[y] & same and one Cache.first[y] }
assert FirstAskerAnswers {
  stack in without[{ g, f: Fn | some c: Indirect | c.caller = g and
    f in aTargets[Cache.first[c.type], Visible] }]
}
check FirstAskerAnswers for 3 but 4 Fn expect 1

// The graph's classes: one node for each table and type, for the calls whose index is unknown. It
// answers what each of them would be answered.
assert ClassesAnswerAlike {
  all c, d: Unknown | (c.table = d.table and c.type = d.type) implies
    aTargets[c, Visible] = aTargets[d, Visible]
}
check ClassesAnswerAlike for 4 but 3 Type expect 0

// The graph's unions: the targets of several slots are those of each slot together.
assert UnionsAnswerAlike {
  all c: Indirect | aTargets[c, Visible] =
    { f: callable[c.type] | some s: aSlots[c] | f in s.(aHeld[c.table, Visible]) }
}
check UnionsAnswerAlike for 4 but 3 Type expect 0

// ---- The certificate

pred certified[c: set Fn] { Entry in c and (aEdges[Visible]).c in c }
assert CertifiedIsSound { all c: set Fn | certified[c] implies stack in c }
check CertifiedIsSound for 4 but 3 Type, 2 Table, 2 Indirect, 2 Write expect 0

assert ClosureIsCertified { certified[closure] }
check ClosureIsCertified for 4 but 3 Type expect 0

assert EveryMutantIsRejected { all f: closure | not certified[closure - f] }
check EveryMutantIsRejected for 4 but 3 Type expect 0

// ---- Assumptions and their guards

sig NoFork in Fn {}        // functions said to have no entry below them
sig Private in Visible {}  // tables that the host is said not to write
fact { no NoFork & Import }

// The search runs over what is left, and does not enter the functions of `NoFork`.
fun narrowed: set Fn {
  let e = ~(aEdges[Visible - Private]) | Entry.*(e :> (Fn - NoFork))
}
// The calls from outside into it, in the graph without assumptions.
fun guards: Fn -> Fn { (Fn - narrowed) <: aEdges[Visible] :> narrowed }

// An unwind enters code that is not prepared only over a guard: there it stops.
assert WrongAssumptionsStop {
  (Fn - narrowed) <: edges :> narrowed in guards
}
check WrongAssumptionsStop for 4 but 3 Type, 2 Table, 2 Indirect, 2 Write expect 0

// So whatever is on a stack is inside, or has a guard between itself and the entry.
assert EveryStackIsGuarded {
  all f: stack - narrowed | some g: Fn - narrowed | g in f.*edges and some g.guards
}
check EveryStackIsGuarded for 4 but 3 Type, 2 Table, 2 Indirect, 2 Write expect 0

// Without wrong assumptions the narrowed closure is right as it is.
assert RightAssumptionsAreSound {
  (no stack & NoFork and all t: Private | held[t] in aHeld[t, none]) implies stack in narrowed
}
check RightAssumptionsAreSound for 4 but 3 Type, 2 Table, 2 Indirect, 2 Write expect 0

// Guards that are looked for in the narrowed graph miss what the assumption took away. Must fail.
assert GuardsOfTheNarrowedGraph {
  (Fn - narrowed) <: edges :> narrowed in (Fn - narrowed) <: aEdges[Visible - Private] :> narrowed
}
check GuardsOfTheNarrowedGraph for 3 but 4 Fn expect 1

// ---- The checks are about something

run SomethingHappens {
  some Unknown and some Anywhere and some Visible and some Failed and some Reentrant
  some Private and #stack > 3 and some f: Import | f.actual != f.declared
} for 5 expect 1
