//go:build sabotage_catalog_before_complete

package bucket

const sabotaged = catalogBeforeComplete
