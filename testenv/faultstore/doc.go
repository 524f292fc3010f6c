// Package faultstore is a store.Store around another one that fails as networks and
// services fail: answers are lost before or after the effect, requests are refused,
// bodies end early, listings have holes, conditions are ignored, bytes rot.
//
// What happens is chosen by rules, and by a seed where a rule has a chance. It also
// counts requests and bytes by operation, and slows everything down to a bandwidth
// and a delay.
package faultstore
