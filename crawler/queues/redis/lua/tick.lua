-- What has to happen as time goes by.
--
-- Returns 1.
--- include tick, finish

tick()
return finish(1)
