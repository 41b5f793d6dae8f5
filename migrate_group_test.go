package replicate

// WithGroup lets tests have more files of level 2 than they have transactions for.
func (o MigrateOptions) WithGroup(n int) MigrateOptions {
	o.group = n
	return o
}
