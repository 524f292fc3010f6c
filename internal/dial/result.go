package dial

import (
	"github.com/go-mysql-org/go-mysql/mysql"
)

// textResult copies a result out of go-mysql's pooled memory.
func textResult(r *mysql.Result) (Result, error) {
	if r.Resultset == nil {
		return Result{}, nil
	}
	result := Result{Columns: make([]string, len(r.Fields)), Rows: make([][]string, r.RowNumber())}
	for i, field := range r.Fields {
		result.Columns[i] = string(field.Name)
	}
	for i := range result.Rows {
		row := make([]string, len(result.Columns))
		for j := range row {
			value, err := r.GetString(i, j)
			if err != nil {
				return Result{}, err
			}
			row[j] = string([]byte(value))
		}
		result.Rows[i] = row
	}
	return result, nil
}
