// One at a time. Streamlit gathers what components report and sends it when the browser has a moment; what was gathered
// runs one fragment of the page only. On a busy page a click and a timer would meet there, and one of them would be
// heard without anything being drawn. So whoever reports while another's report is still on its way waits for it.

const turnsWaiting = [];
let turnOwner = null;
let turnTimer = 0;

/** Calls `report` now, or after the report of another owner has been sent. */
export function inTurn(owner, report) {
  if (turnOwner !== null && turnOwner !== owner) {
    turnsWaiting.push([owner, report]);
    return;
  }
  turnOwner = owner;
  report();
  // Timers of equal delay keep their order: Streamlit's, which the report has set, comes before this one.
  clearTimeout(turnTimer);
  turnTimer = setTimeout(() => {
    turnOwner = null;
    const next = turnsWaiting.shift();
    if (next) inTurn(...next);
  }, 0);
}

/** What a component is given, with its reports taken in turn. */
export function takingTurns(given) {
  const { parentElement: owner, setStateValue, setTriggerValue } = given;
  return {
    ...given,
    setStateValue: (name, value) => inTurn(owner, () => setStateValue(name, value)),
    setTriggerValue: (name, value) => inTurn(owner, () => setTriggerValue(name, value)),
  };
}
